"""What the tests share: checkpoints with known numbers, and the command that came with the wheel."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lorascope as ls

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
ADAPTERS = DATA / "adapters"
COMMAND = Path(sys.executable).parent / "lorascope"

Factors = dict[str, tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]


def pytest_configure() -> None:
    # The wheel is tested, and never the source tree next to the tests.
    assert Path(ls.__file__).is_relative_to(sys.prefix), f"{ls.__file__} is not what was installed"


def command(*words: object) -> subprocess.CompletedProcess[str]:
    """Runs the command that came with the wheel."""
    return subprocess.run([COMMAND, *map(str, words)], capture_output=True, text=True, timeout=300)


def command_json(*words: object) -> Any:
    """What the command prints with --json."""
    ran = command(*words, "--json")
    assert ran.returncode in (0, 3), ran.stderr
    return json.loads(ran.stdout)


def factors(seed: int, modules: int = 3, r: int = 4, d_in: int = 24, d_out: int = 16) -> Factors:
    """Random factors A (r, d_in) and B (d_out, r)."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray[Any, Any]:
        return rng.standard_normal(shape).astype(np.float32)

    return {f"layers.{at}.self_attn.q_proj": (normal(r, d_in), normal(d_out, r)) for at in range(modules)}


Saver = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Saver:
    """Writes factors as PEFT does, and returns the folder."""
    from safetensors.numpy import save_file

    def save(name: str, adapter: Factors, alpha: float = 8.0) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        tensors = {}
        for module, (a, b) in adapter.items():
            tensors[f"base_model.model.{module}.lora_A.weight"] = a
            tensors[f"base_model.model.{module}.lora_B.weight"] = b
        save_file(tensors, folder / "adapter_model.safetensors")
        r = next(iter(adapter.values()))[0].shape[0]
        config = {"peft_type": "LORA", "r": r, "lora_alpha": alpha, "base_model_name_or_path": "tiny"}
        (folder / "adapter_config.json").write_text(json.dumps(config))
        return folder

    return save
