"""Errors: their kinds, their facts, and a way out in the words of Python."""

import multiprocessing
import os
import pickle
import re

import numpy as np
import pytest
from conftest import ADAPTERS, DATA, factors

import lorascope as ls

A = ADAPTERS / "seed0-r64-layer5"
B = ADAPTERS / "seed1-r64-layer5"


def test_what_is_not_there_is_a_file_not_found_too(tmp_path):
    path = tmp_path / "nothing"
    with pytest.raises(ls.NotFoundError) as raised:
        ls.open(path)
    error = raised.value
    assert isinstance(error, ls.Error) and isinstance(error, FileNotFoundError)
    assert (error.path, error.found, error.expected, error.tensor) == (str(path), "no such file or directory", None, None)
    assert str(error) == f"{path}: no such file or directory"


def test_a_broken_file_is_named_with_its_tensor(tmp_path):
    data = (A / "adapter_model.safetensors").read_bytes()
    path = tmp_path / "cut.safetensors"
    path.write_bytes(data[:-100])
    with pytest.raises(ls.MalformedError) as raised:
        ls.compare(path, B)
    error = raised.value
    assert isinstance(error, ValueError) and error.path == str(path)
    assert error.found and error.expected and error.found in str(error) and error.expected in str(error)
    assert "\n" not in str(error)


def test_another_kind_of_file_is_unsupported(tmp_path):
    with pytest.raises(ls.UnsupportedError) as raised:
        ls.open(ADAPTERS / "peft-unilora")
    assert raised.value.tensor == "peft_type" and raised.value.found == "`UNILORA`"
    # A pickle that would run a program is not run.
    with pytest.raises(ls.MalformedError, match=r"posix\.system"):
        ls.open(ADAPTERS / "torch" / "evil.pt")


def test_numbers_that_are_not_finite_are_named():
    wrong = factors(1, modules=1)
    name = next(iter(wrong))
    wrong[name][0][0, 0] = np.nan
    with pytest.raises(ls.Error) as raised:
        ls.compare(wrong, factors(2, modules=1))
    assert raised.value.path == "<a>" and name in raised.value.tensor


@pytest.mark.parametrize(
    ("options", "tensor", "found", "expected"),
    [
        ({"side": "x"}, "side", "`x`", "a, b, dw-right or dw-left, or with a base model w-right or w-left"),
        ({"engine": "tpu"}, "engine", "`tpu`", "one of auto, gpu, cpu"),
        ({"precision": "f64"}, "precision", "`f64`", None),
        ({"rank": 0, "base": "x"}, "rank", "`0`", "a number from 1, or auto"),
        ({"threads": 0}, "threads", "`0`", None),
    ],
)
def test_an_argument_that_cannot_be_is_named(options, tensor, found, expected):
    with pytest.raises(ls.InvalidError) as raised:
        ls.compare(A, B, **options)
    error = raised.value
    assert (error.tensor, error.found) == (tensor, found)
    assert error.expected == expected if expected else error.expected
    assert str(error) == f"{tensor}: found {found}, expected {error.expected}"


def test_arguments_that_exclude_each_other_are_named():
    with pytest.raises(ls.InvalidError) as raised:
        ls.compare(A, B, engine="cpu", gpu=0)
    assert str(raised.value) == 'engine="cpu" and gpu exclude each other'


def test_the_way_out_is_in_the_words_of_python():
    wide = {"q": (np.ones((2, 8), np.float32) + np.eye(2, 8, dtype=np.float32), np.ones((6, 2), np.float32))}
    other = {"q": (np.ones((2, 9), np.float32) + np.eye(2, 9, dtype=np.float32), np.ones((6, 2), np.float32))}
    with pytest.raises(ls.Error) as raised:
        ls.compare(wide, other)
    assert 'side="b"' in raised.value.remedy and "--" not in str(raised.value)
    assert str(raised.value).endswith(f"({raised.value.remedy})")
    with pytest.raises(ls.Error) as raised:
        ls.report("nowhere")
    assert "lorascope.scan(" in str(raised.value)


def test_a_missing_gpu_is_its_own_kind():
    with pytest.raises(ls.GpuError) as raised:
        ls.compare(A, B, engine="gpu", gpu="no such card")
    assert isinstance(raised.value, RuntimeError) and 'engine="cpu"' in raised.value.remedy


def test_of_several_a_bad_one_is_warned_of(tmp_path):
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"x" * 100)
    with pytest.warns(ls.LorascopeWarning, match=re.escape(str(bad))):
        found = ls.inspect(A, bad)
    assert len(found.checkpoints) == 1 and len(found["bad"]) == 1
    with pytest.raises(ls.Error, match=re.escape(str(bad))):
        ls.inspect(bad)


def test_warnings_point_at_the_line_that_called():
    zero = {name: (a, 0 * b) for name, (a, b) in factors(1).items()}
    for call in (
        lambda: ls.compare(factors(1), zero),
        lambda: ls.inspect(zero),
        lambda: ls.merge_check([factors(1), factors(1)]),
        lambda: ls.bases({**factors(1), "layers.9.self_attn.q_proj": (np.ones((1, 4)), np.zeros((4, 1)))}, side="b"),
    ):
        with pytest.warns(ls.LorascopeWarning) as caught:
            call()
        assert all(one.filename == __file__ for one in caught), [one.filename for one in caught]


def test_errors_have_the_names_of_the_package():
    for name in ls.__all__:
        value = getattr(ls, name)
        if isinstance(value, type):
            assert value.__module__ == "lorascope", name
    assert issubclass(ls.IoError, OSError)


def _compare(queue):
    try:
        ls.compare(factors(1), factors(2))
        queue.put("compared")
    except ls.Error as error:
        queue.put(str(error))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_says_so_and_does_not_hang():
    ls.compare(factors(1), factors(2))
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=_compare, args=(queue,))
    process.start()
    message = queue.get(timeout=30)
    process.join(30)
    assert "forked" in message and "spawn" in message


def test_an_error_can_be_pickled():
    with pytest.raises(ls.Error) as raised:
        ls.open("/nowhere")
    copy = pickle.loads(pickle.dumps(raised.value))
    assert type(copy) is ls.NotFoundError and str(copy) == str(raised.value) and copy.path == "/nowhere"


def test_a_base_model_is_not_a_checkpoint_to_compare():
    base = DATA / "weights" / "query-value-f16.safetensors"
    with pytest.raises(ls.Error) as raised:
        ls.compare(base, A)
    assert "base model" in str(raised.value) and "lorascope compare BASE CHECKPOINT" in raised.value.remedy
