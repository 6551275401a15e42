"""How a LoRA run moves while it trains, in the trainer's log: a callback of transformers' `Trainer`.

This module needs transformers, and `import lorascope` does not import it.
"""

from __future__ import annotations

import inspect
import json
import logging
import math
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from transformers import PrinterCallback, ProgressCallback, TrainerCallback  # type: ignore[import-not-found, unused-ignore]
from transformers.trainer_callback import CallbackHandler  # type: ignore[import-not-found, unused-ignore]

import lorascope as ls

logger = logging.getLogger(__name__)

#: Where the checkpoints to compare with are kept. What begins with "_" is not pushed to the Hub.
FOLDER = "_drift"

#: What goes to the trainer's log; the file has more.
LOGGED = ("phi", "drift", "cosine", "change")


class Drift(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Compares the run with its first and its previous checkpoint, at every save.

    ::

        trainer = Trainer(model, args, train_dataset=data, callbacks=[Drift()])

    For each kind of module (q, k, v, o, gate, up, down, or the last part of its name) and for all of them together it logs

    - ``phi``: φ at full rank, from 0 to 1, the mean over the modules: how much of the smaller subspace the larger one contains;
    - ``drift``: 1 − φ corrected for chance, as in ``lorascope report``: 0 where the subspace did not turn, 1 at chance;
    - ``cosine``: of the updates ΔW as one vector, from −1 to 1: did the update keep its direction?
    - ``change``: ‖ΔW_now − ΔW_reference‖ / ‖ΔW_reference‖: how far did it move, sizes included? Below 1e-6 it is rounding.

    The keys are ``lorascope/phi_first/q``, ``lorascope/drift_previous/all`` and so on. They reach W&B, TensorBoard and every other
    reporter of the trainer, and ``trainer.state.log_history``; the console gets those of all modules only. ``drift.jsonl`` in the
    output folder has one line for each step, reference and kind, with ``phi_full``, ``adjusted`` and the number of modules too.

    The two checkpoints are kept in ``_drift/`` of the output folder as links, so that ``save_total_limit`` takes neither away. A
    run that is resumed goes on with both, and with the file. A comparison that fails is a warning, and training goes on.

    Args:
        side: The subspaces to compare: ``"b"``, which holds what was learnt, ``"a"``, ``"dw-right"`` or ``"dw-left"``. The
            checkpoints of one run share the random start of A, so that side a says little.
        every: Compares the live model too, at every so many logging steps. Its factors must not be sharded (as by FSDP).
    """

    def __init__(self, *, side: str = "b", every: int | None = None) -> None:
        if every is not None and every < 1:
            raise ValueError(f"every: found {every}, expected 1 or more logging steps")
        self.side = side
        self.every = every
        self._n_logged = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Forgets what an earlier run in this folder wrote after the step that this one begins at."""
        if not state.is_world_process_zero:
            return
        for checkpoint in _kept(args):
            if _step(checkpoint) > state.global_step:
                shutil.rmtree(checkpoint)
        _keep(_checkpoint(args, state), args)
        if _file(args).exists():
            lines = _file(args).read_text("utf-8").splitlines(keepends=True)
            _file(args).write_text("".join(line for line in lines if _is_before(line, state.global_step)), "utf-8")

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Compares the checkpoint that was just saved."""
        if not state.is_world_process_zero:
            return
        checkpoint = _checkpoint(args, state)
        self._measure(checkpoint, args, state, control, **kwargs)
        if not _keep(checkpoint, args):
            logger.warning("lorascope: %s has no adapter (adapter_model.safetensors) to compare with", checkpoint)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, model: Any = None, **kwargs: Any) -> None:
        """Compares the live model, if that was asked for; a save at the same step does it from the file."""
        if self.every is None or "loss" not in (logs or {}) or not state.is_world_process_zero:
            return
        self._n_logged += 1
        if self._n_logged % self.every == 0 and not control.should_save:
            self._measure(model, args, state, control, model=model, **kwargs)

    def _measure(self, now: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Compares what is now with the first and the previous checkpoint, and reports that."""
        kept = _kept(args)
        if not kept:
            return
        lines = list(self._lines(now, {"first": kept[0], "previous": kept[-1]}, state.global_step))
        if not lines:
            return
        with _file(args).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in lines)
        values: dict[str, float] = {}
        for line in lines:
            of = {**line, "phi": line["phi_full"]}
            for name in LOGGED:
                if of[name] is not None:
                    values[f"lorascope/{name}_{line['reference']}/{line['kind']}"] = of[name]
        _report(values, args, state, control, **kwargs)

    def _lines(self, now: Any, references: dict[str, Path], step: int) -> Iterator[dict[str, Any]]:
        compared: dict[Path, dict[str, dict[str, Any]]] = {}
        for name, reference in references.items():
            if reference not in compared:
                compared[reference] = self._compare(reference, now, step)
            for kind, values in compared[reference].items():
                yield {
                    "step": step,
                    "reference": name,
                    "reference_step": _step(reference),
                    "side": self.side,
                    "kind": kind,
                    **values,
                }

    def _compare(self, reference: Path, now: Any, step: int) -> dict[str, dict[str, Any]]:
        try:
            with warnings.catch_warnings():
                # Every two checkpoints of a run share it.
                warnings.filterwarnings("ignore", ".*share the random start of A", ls.LorascopeWarning)
                # A GPU has the training to do.
                return _by_kind(ls.compare(reference, now, side=self.side, engine="cpu"))
        except (ls.Error, OSError) as error:
            logger.warning("lorascope: step %d is not compared with step %d: %s", step, _step(reference), error)
            return {}


def _by_kind(comparison: ls.Comparison) -> dict[str, dict[str, Any]]:
    kinds: dict[str, list[ls.ModuleComparison]] = {"all": []}
    for pair in comparison.values():
        kinds["all"].append(pair)
        kinds.setdefault(pair.projection or pair.name.rsplit(".", 1)[-1], []).append(pair)
    return {kind: _together(pairs) for kind, pairs in kinds.items()}


def _together(pairs: list[ls.ModuleComparison]) -> dict[str, Any]:
    """Pairs of modules as one: means of what has no size, and the updates as one long vector."""
    phi = _mean(pair.phi_full for pair in pairs)
    adjusted = _mean(pair.adjusted for pair in pairs)
    known = [
        (pair.cosine, pair.norm_a, pair.norm_b)
        for pair in pairs
        if pair.cosine is not None and pair.norm_a is not None and pair.norm_b is not None
    ]
    inner = math.fsum(cosine * a * b for cosine, a, b in known)
    before = math.fsum(a**2 for _, a, _ in known)
    after = math.fsum(b**2 for _, _, b in known)
    moved = before > 0 and after > 0
    return {
        "modules": len(pairs),
        "phi_full": phi,
        "adjusted": adjusted,
        "drift": None if adjusted is None else 1 - adjusted,
        "cosine": inner / math.sqrt(before * after) if moved else None,
        "change": math.sqrt(max(before + after - 2 * inner, 0) / before) if moved else None,
    }


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def _report(values: dict[str, float], args: Any, state: Any, control: Any, **kwargs: Any) -> None:
    """Does what `Trainer.log` does, which subclasses use to log, and clear, numbers of their own."""
    logs = {**values, "epoch": state.epoch}
    state.log_history.append({**logs, "step": state.global_step})
    whole = {key: round(value, 6) for key, value in values.items() if key.endswith("/all")}
    for callback in _callbacks():
        if isinstance(callback, Drift):
            continue
        to_console = isinstance(callback, (PrinterCallback, ProgressCallback))
        callback.on_log(args, state, control, logs=dict(whole if to_console else logs), **kwargs)


def _callbacks() -> list[Any]:
    """All callbacks of the trainer. It hands each of them everything but these, so they are taken from what calls them."""
    frame = inspect.currentframe()
    while frame is not None:
        handler = frame.f_locals.get("self")
        if isinstance(handler, CallbackHandler):
            return list(handler.callbacks)
        frame = frame.f_back
    return []


def _file(args: Any) -> Path:
    return Path(args.output_dir, "drift.jsonl")


def _is_before(line: str, step: int) -> bool:
    try:
        return bool(json.loads(line)["step"] <= step)
    except ValueError:
        return False  # The process was killed while it wrote this line.


def _checkpoint(args: Any, state: Any) -> Path:
    return Path(args.output_dir, f"checkpoint-{state.global_step}")


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rsplit("-", 1)[-1])


def _kept(args: Any) -> list[Path]:
    """The checkpoints to compare with: the first of the run, and the last before this one."""
    return sorted(Path(args.output_dir, FOLDER).glob("checkpoint-*"), key=_step)


def _keep(checkpoint: Path, args: Any) -> bool:
    """Keeps the adapter of this checkpoint as the previous one, and as the first if there is none; False without an adapter."""
    files = [file for file in checkpoint.glob("adapter_*") if file.is_file()]
    if not files:
        return False
    kept = Path(args.output_dir, FOLDER, checkpoint.name)
    kept.mkdir(parents=True, exist_ok=True)
    for file in files:
        (kept / file.name).unlink(missing_ok=True)
        try:
            os.link(file, kept / file.name)
        except OSError:
            shutil.copy2(file, kept / file.name)
    for between in _kept(args)[1:-1]:
        shutil.rmtree(between)
    return True
