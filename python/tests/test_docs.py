"""The examples of docs/python.md, as they stand there."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_examples_of_the_docs_print_what_they_show(tmp_path, monkeypatch):
    pytest.importorskip("polars")
    # They name files of the repository and write into the current folder.
    (tmp_path / "tests").symlink_to(ROOT / "tests", target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    page = ROOT / "docs/python.md"
    # The end of a block is not the end of what an example prints.
    lines = ["" if line.startswith("```") else line for line in page.read_text("utf-8").splitlines()]
    examples = doctest.DocTestParser().get_doctest("\n".join(lines), {}, page.name, str(page), 0)
    printed: list[str] = []
    failed, attempted = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(examples, out=printed.append)
    assert failed == 0, "".join(printed)
    assert attempted > 30
    assert {path.name for path in tmp_path.iterdir()} >= {"fig4.pdf", "out", "bases.safetensors"}
