"""The package: its command, the names of its arguments, its types."""

import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import ADAPTERS, COMMAND, command, factors

import lorascope as ls

PAIR = [ADAPTERS / "seed0-r64-layer5", ADAPTERS / "seed1-r64-layer5"]

# Arguments that stand for a command's own words, and what only Python has.
POSITIONAL = {"a", "b", "checkpoints", "scan", "queries"}
FUNCTIONS = {
    ls.compare: "compare",
    ls.figure: "figure",
    ls.inspect: "inspect",
    ls.merge_check: "merge-check",
    ls.shared: "shared",
    ls.scan: "scan",
    ls.search: "search",
    ls.report: "report",
}


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_arguments_have_the_names_of_the_commands_options(function):
    help = command(FUNCTIONS[function], "--help").stdout
    options = set(re.findall(r"--([a-z][a-z-]*)", help)) | {"layer", "output"}
    named = set(inspect.signature(function).parameters) - POSITIONAL - {"options", "progress"}
    assert {name.replace("_", "-") for name in named} <= options
    # The docstring has each of them.
    for name in named:
        assert re.search(rf"^ +{name}: ", function.__doc__, re.M), name


def test_everything_has_a_docstring():
    for name in ls.__all__:
        value = getattr(ls, name)
        if name in ("__version__", "Checkpoint"):
            continue
        assert value.__doc__, name
        if isinstance(value, type):
            for member, found in vars(value).items():
                if not member.startswith("_") and callable(getattr(found, "fget", found)):
                    assert found.__doc__, f"{name}.{member}"


def test_the_command_has_the_packages_version():
    assert command("--version").stdout.startswith(f"lorascope {ls.__version__}")
    module = subprocess.run([sys.executable, "-m", "lorascope", "--version"], capture_output=True, text=True)
    assert module.stdout == command("--version").stdout and module.returncode == 0


def test_the_command_has_the_exit_codes_of_the_binary(tmp_path):
    assert command("demo", "-o", tmp_path / "demo.png").returncode == 0
    assert (tmp_path / "demo.png").stat().st_size > 10_000
    failed = command("compare", PAIR[0], tmp_path / "nothing")
    assert failed.returncode == 1 and failed.stderr.startswith(f"error: {tmp_path}/nothing: no such file")
    assert command("compare", "--side", "x", *PAIR).returncode == 2
    (tmp_path / "bad.safetensors").write_bytes(b"x" * 100)
    assert command("inspect", tmp_path).returncode == 3


def test_output_through_a_closed_pipe_is_not_an_error():
    ran = subprocess.run(f"'{COMMAND}' completions bash | head -1", shell=True, capture_output=True, text=True)
    assert ran.returncode == 0 and ran.stderr == ""


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is not a signal there")
def test_ctrl_c_ends_the_command_at_once(save, tmp_path):
    for seed in range(30):
        save(f"many/{seed}", factors(seed, modules=24, r=2, d_in=6, d_out=9))
    # It waits in the middle of its output, since a pipe holds less.
    child = subprocess.Popen([COMMAND, "inspect", "--json", tmp_path / "many"], stdout=subprocess.PIPE, bufsize=0)
    assert child.stdout.read(1) and child.poll() is None
    child.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert child.wait(timeout=30) == -signal.SIGINT
    assert time.monotonic() - began < 1
    rest = child.stdout.read()
    child.stdout.close()
    assert not rest.rstrip().endswith(b"}"), "it was not at its end"


def test_importing_it_imports_no_other_package():
    code = "import sys; before = set(sys.modules); import lorascope; print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout.split()
    roots = {name.split(".")[0] for name in loaded}
    assert roots.isdisjoint({"numpy", "pandas", "polars", "pyarrow", "torch", "tqdm", "json", "logging"}), roots


def test_numpy_is_its_only_dependency():
    from importlib.metadata import metadata

    assert metadata("lorascope").get_all("Requires-Dist") == ["numpy>=1.23"]


TYPECHECK = Path(__file__).parent / "usage.py"


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_types_hold_in_strict_mode(checker, tmp_path):
    # In a folder of its own, so that the installed package is what is checked against.
    sample = tmp_path / "usage.py"
    sample.write_text(TYPECHECK.read_text())
    if checker == "mypy":
        words = ["mypy", "--strict", "--python-executable", sys.executable, "--cache-dir", tmp_path / "cache", sample]
    else:
        settings = {"typeCheckingMode": "strict", "include": ["usage.py"], "reportMissingModuleSource": False}
        (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
        words = ["pyright", "--pythonpath", sys.executable, "-p", tmp_path]
    ran = subprocess.run([Path(sys.executable).parent / words[0], *words[1:]], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_package_itself_is_typed():
    words = [Path(sys.executable).parent / "mypy", "--strict", "-p", "lorascope", "--cache-dir", os.devnull]
    ran = subprocess.run([*words, "--python-executable", sys.executable], capture_output=True, text=True, cwd="/")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_wrong_type_is_found(tmp_path):
    sample = tmp_path / "wrong.py"
    lines = ["ls.compare('a', 'b', side=3)", "x: int = ls.compare('a', 'b')['q'].phi", "ls.open(3)"]
    sample.write_text("\n".join(["import lorascope as ls", *lines]))
    words = [Path(sys.executable).parent / "mypy", "--strict", "--python-executable", sys.executable]
    ran = subprocess.run([*words, "--cache-dir", tmp_path / "cache", sample], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 1 and "Found 3 errors" in ran.stdout, ran.stdout


def test_the_stub_has_what_is_compiled():
    from lorascope import _lorascope

    stub = (Path(ls.__file__).parent / "_lorascope.pyi").read_text()
    for name in vars(_lorascope):
        if not name.startswith("__"):
            assert re.search(rf"^(class|def) {name}\b", stub, re.M), name
