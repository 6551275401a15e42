"""Scans: what they write, what is asked of them, and how they are stopped."""

import os
import signal
import subprocess
import sys
import time

import duckdb
import polars
import pytest
from conftest import command, command_json, factors

import lorascope as ls


@pytest.fixture
def runs(save):
    """Five checkpoints: two seeds with two steps each, and a copy of one of them that is scaled."""
    for seed in (1, 2):
        for step in (100, 200):
            start, moved = factors(seed), factors(10 * seed + step)
            adapter = {name: (a, b + (step / 400) * moved[name][1]) for name, (a, b) in start.items()}
            save(f"runs/seed{seed}/checkpoint-{step}", adapter)
    twice = {name: (a, 2 * (b + 0.25 * factors(110)[name][1])) for name, (a, b) in factors(1).items()}
    return save("runs/scaled", twice).parent


@pytest.fixture
def scanned(runs, tmp_path):
    with pytest.warns(ls.LorascopeWarning):
        return ls.scan(runs, tmp_path / "out", update=True, no_cache=True)


def test_the_table_is_the_commands(runs, scanned, tmp_path):
    ran = command("scan", runs, "-o", tmp_path / "other", "--update", "--no-cache")
    assert ran.returncode == 0, ran.stderr
    order = ["a", "b", "module"]
    wanted = polars.read_parquet(tmp_path / "other" / "pairs" / "*.parquet").sort(order)
    assert scanned.pairs.to_polars().sort(order).equals(wanted)
    assert len(wanted) == 10 * 3
    assert scanned.is_complete and scanned.skipped == {}
    assert repr(scanned) == f"Scan({str(tmp_path / 'out')!r}, 5 adapters, 3 modules, 10 pairs)"


def test_its_numbers_are_those_of_compare(runs, scanned):
    adapters = dict(scanned.adapters.to_polars().select("id", "path").iter_rows())
    for row in scanned.pairs.to_polars().iter_rows(named=True):
        first, second = (adapters[row[name]] for name in "ab")
        module = _compare(first, second)[row["module"]]
        assert row["phi_full"] == pytest.approx(module.phi_full, abs=1e-6)
        assert row["cosine"] == pytest.approx(module.cosine, abs=1e-6)


def _compare(first, second):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ls.LorascopeWarning)
        return ls.compare(first, second)


def test_every_library_reads_the_tables(scanned):
    frame = scanned.pairs.to_polars()
    assert scanned.pairs.to_pandas()["phi_full"].tolist() == frame["phi_full"].to_list()
    assert polars.DataFrame(scanned.pairs.to_arrow()).height == len(frame)
    assert polars.DataFrame(scanned.pairs).height == len(frame)
    assert scanned.pairs.scan_polars().select(polars.len()).collect().item() == len(frame)
    assert duckdb.sql(f"select count(*) from '{scanned.pairs.path}'").fetchall() == [(len(frame),)]
    assert len(scanned.adapters.to_polars()) == 5


def test_relations_that_were_planted_are_found(scanned, runs, tmp_path):
    words = set(scanned.relations().to_polars()["relation"])
    assert "scaled" in words, words
    ls.scan(runs, tmp_path / "without", no_cache=True, side="b")
    with pytest.raises(ls.NotFoundError, match="update=True"):
        ls.Scan(tmp_path / "without").relations()


def test_search_and_report_are_the_commands(scanned, runs, tmp_path):
    query = runs / "scaled"
    options = {"cache": tmp_path / "cache"}
    with pytest.warns(ls.LorascopeWarning):
        found = scanned.search(query, top=2, **options)
    assert found.to_dict() == command_json("search", query, "--in", scanned.folder, "--top", 2, "--cache", tmp_path / "cache")
    nearest = found.queries[0]["nearest"]
    assert len(nearest) == 2 and found.table()["rank"] == [1, 2]
    report = scanned.report(by="cosine")
    assert report.to_dict() == command_json("report", scanned.folder, "--by", "cosine", "-o", tmp_path / "report")
    assert os.path.exists(os.path.join(report.folder, "adapters.png"))
    assert repr(report) == f"Report({os.path.join(scanned.folder, 'report')!r})"
    with pytest.warns(ls.LorascopeWarning):
        assert ls.search(scanned.folder, ls.open(query), top=2, **options).to_dict() == found.to_dict()


def test_progress_is_told_up_to_the_end(runs, tmp_path, capfd):
    seen = []
    ls.scan(runs, tmp_path / "b", side="b", no_cache=True, progress=lambda done, of: seen.append((done, of)))
    assert all(0 <= done <= of == 30 for done, of in seen)
    capfd.readouterr()
    ls.scan(runs, tmp_path / "c", side="b", no_cache=True)
    assert capfd.readouterr() == ("", "")


def test_a_progress_that_fails_stops_the_scan(tmp_path, save):
    for seed in range(8):
        save(f"many/{seed}", factors(seed, modules=20, r=16, d_in=64, d_out=64))

    def fail(done, of):
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        ls.scan(tmp_path / "many", tmp_path / "out", side="b", angles=True, no_cache=True, threads=1, progress=fail)


def test_a_bad_checkpoint_is_left_out_and_named(runs, tmp_path):
    bad = runs / "bad.safetensors"
    bad.write_bytes(b"x" * 100)
    with pytest.warns(ls.LorascopeWarning, match="bad.safetensors"):
        scanned = ls.scan(runs, tmp_path / "out", side="b", no_cache=True)
    assert list(scanned.skipped) == [str(bad)]
    with pytest.raises(ls.Error, match="bad.safetensors"):
        ls.scan(runs, tmp_path / "strict", side="b", no_cache=True, strict=True)


def test_pairs_are_chosen_as_by_the_command(runs, tmp_path):
    named = {"side": "b", "no_cache": True}
    assert repr(ls.scan(runs, tmp_path / "next", pairs="consecutive", **named)).count("2 pairs") == 1
    against = ls.scan(runs, tmp_path / "against", pairs=["against", runs / "scaled"], **named)
    assert "4 pairs" in repr(against)
    crossed = ls.scan([runs], tmp_path / "crossed", left="seed1/*", right="seed2/*", **named)
    assert "4 pairs" in repr(crossed)
    with pytest.raises(ls.Error, match="fresh=True"):
        ls.scan(runs, tmp_path / "next", pairs="consecutive", side="a", no_cache=True)


CHILD = """
import sys, lorascope as ls
def progress(done, of):
    if done: print("began", flush=True)
ls.scan(sys.argv[1], sys.argv[2], side="b", angles=True, no_cache=True, threads=1, progress=progress)
print("ended", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is not a signal there")
def test_ctrl_c_leaves_a_folder_that_the_same_call_completes(save, tmp_path):
    for seed in range(40):
        save(f"many/{seed}", factors(seed, modules=24, r=32, d_in=64, d_out=96))
    out = tmp_path / "out"
    words = [sys.executable, "-c", CHILD, tmp_path / "many", out]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "began\n"
    child.send_signal(signal.SIGINT)
    began = time.monotonic()
    stdout, stderr = child.communicate(timeout=120)
    assert "KeyboardInterrupt" in stderr and "ended" not in stdout, stderr
    assert child.returncode in (-signal.SIGINT, 130, 1)
    assert time.monotonic() - began < 60
    # What was done stays, and is not all of it.
    blocks = set((out / "pairs").glob("*.parquet"))
    with pytest.raises(ls.Error, match=r"lorascope\.scan\(.*side=\"b\"") as raised:
        ls.report(out)
    assert "partial=True" in raised.value.remedy
    scanned = ls.scan(tmp_path / "many", out, side="b", angles=True, no_cache=True)
    assert scanned.is_complete and blocks < set((out / "pairs").glob("*.parquet"))
    whole = ls.scan(tmp_path / "many", tmp_path / "whole", side="b", angles=True, no_cache=True)
    order = ["a", "b", "module"]
    assert scanned.pairs.to_polars().sort(order).equals(whole.pairs.to_polars().sort(order))
    assert len(whole.pairs.to_polars()) == 40 * 39 // 2 * 24


def test_a_folder_of_an_earlier_scan_is_opened(scanned):
    again = ls.Scan(scanned.folder)
    assert again.pairs.to_polars().equals(scanned.pairs.to_polars())
    assert repr(again) == f"Scan({scanned.folder!r})"
    with pytest.raises(ls.NotFoundError, match="not the output folder of a scan.*lorascope.scan"):
        ls.Scan(os.path.dirname(scanned.folder))


BAR = """
import sys, lorascope as ls
sys.modules["tqdm.auto"] = None
ls.scan(sys.argv[1], sys.argv[2], side="b", no_cache=True, angles=True, threads=1, progress=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals there")
def test_a_terminal_has_a_bar_that_is_cleared_and_a_log_has_none(save, tmp_path):
    import pty

    for seed in range(12):
        save(f"many/{seed}", factors(seed, modules=12, r=32, d_in=64, d_out=96))
    words = [sys.executable, "-c", BAR, tmp_path / "many"]
    quiet = subprocess.run([*words, tmp_path / "quiet"], capture_output=True, text=True, timeout=120)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    ours, theirs = pty.openpty()
    child = subprocess.Popen([*words, tmp_path / "shown"], stderr=theirs, stdout=subprocess.DEVNULL)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 4096)
        except OSError:
            break
    os.close(ours)
    assert child.wait(timeout=60) == 0
    assert b"792 rows, " in shown and b"\n" not in shown and shown.endswith(b" \r"), shown[-300:]
