"""Checkpoints: named by a path, opened, or in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Union, cast

from . import _options
from ._errors import make

if TYPE_CHECKING:
    from . import _lorascope


class LiveModel(Protocol):
    """What a ``peft.PeftModel`` is known by."""

    @property
    def peft_config(self) -> Any: ...

    @property
    def active_adapter(self) -> Any: ...


#: A path, an opened adapter, ``{module: (A, B)}``, a state dict, or a ``PeftModel``.
Checkpoint = Union[str, "os.PathLike[str]", "Adapter", Mapping[str, Any], LiveModel]


class Module(NamedTuple):
    """A weight that an adapter changes: ΔW = scaling · B · A."""

    name: str
    """Canonical name: the dotted path without wrapper prefixes."""
    rank: int
    """Rows of A."""
    d_in: int
    """Columns of A."""
    d_out: int
    """Rows of B."""
    scaling: float | None
    """None if the files do not determine it."""


class Adapter:
    """An opened checkpoint. Numbers are read when something is computed of them.

    Made by :func:`lorascope.open`.
    """

    __slots__ = ("_native",)

    def __init__(self, native: _lorascope.Adapter) -> None:
        self._native = native

    @property
    def path(self) -> str:
        """The file or folder, or the label of what is in memory."""
        return os.fspath(self._native.path)

    @property
    def base_model(self) -> str | None:
        """The base model, if the checkpoint names it."""
        return self._native.base_model

    @property
    def adapter_name(self) -> str | None:
        """The adapter's name, if the names of the tensors contain it."""
        return self._native.adapter_name

    @property
    def naming_scheme(self) -> str:
        """How the tensors are named: PEFT, kohya, ..."""
        return self._native.naming_scheme

    @property
    def file_format(self) -> str:
        """What kind of file holds them: safetensors, npz, ..."""
        return self._native.file_format

    @property
    def method(self) -> str:
        """LoRA, or what the update is made of besides A and B."""
        return self._native.method

    @property
    def modules(self) -> list[Module]:
        """The modules, in natural order of their names (layer 2 before layer 10)."""
        return [Module(*facts) for facts in self._native.modules()]

    def __repr__(self) -> str:
        modules = self.modules
        ranks = sorted({module.rank for module in modules})
        rank = f"r = {ranks[0]}" if len(ranks) == 1 else f"r = {ranks[0]} to {ranks[-1]}"
        return f"Adapter({self.path!r}, {len(modules)} modules, {rank})"


def open(  # noqa: A001
    checkpoint: Checkpoint,
    *,
    adapter_name: str | None = None,
    config: Mapping[str, Any] | None = None,
    label: str | None = None,
    limit: str | Sequence[str] | None = None,
) -> Adapter:
    """Opens a checkpoint: its names and shapes, and no numbers.

    Args:
        checkpoint: a file or folder in any format that ``lorascope inspect`` reads; ``{module: (A, B)}`` with A (rank, d_in)
            and B (d_out, rank) as arrays of numpy or tensors of torch, whose update is B·A; a state dict
            (``{tensor name: tensor}``) in any naming scheme; or a live ``peft.PeftModel``.
        adapter_name: which adapter, of a file or a model that has several.
        config: the fields of ``adapter_config.json`` for a state dict: its scaling comes from ``r`` and ``lora_alpha``.
        label: what messages and results call a checkpoint in memory.
        limit: what a file may ask for, such as ``"modules=500000"``.

    Raises:
        Error: what is wrong with the checkpoint, with its file and tensor.
    """
    if isinstance(checkpoint, Adapter):
        return checkpoint
    native = _options.native()
    if isinstance(checkpoint, (str, os.PathLike)):
        path = os.fspath(checkpoint)
        words = _options.words("inspect", {"adapter_name": adapter_name, "limit": limit}, [path])
        return Adapter(native.open(words, False))
    return _in_memory(checkpoint, adapter_name, config, label)


def _in_memory(
    checkpoint: Any, adapter_name: str | None, config: Mapping[str, Any] | None, label: str | None
) -> Adapter:
    import json

    from ._tensors import of_tensors

    tensors: Mapping[str, Any]
    if hasattr(checkpoint, "peft_config"):
        tensors, config, label = _of_model(checkpoint, adapter_name, label)
        adapter_name = None
    elif isinstance(checkpoint, Mapping):
        tensors, config = _of_mapping(cast("Mapping[object, Any]", checkpoint), config)
    else:
        expected = "a path, an adapter, {module: (A, B)}, a state dict or a PeftModel"
        found = f"{type(checkpoint).__module__}.{type(checkpoint).__qualname__}"
        raise make("Invalid", f"checkpoint: found {found}, expected {expected}", None, "checkpoint", found, expected)
    text = None if config is None else json.dumps(dict(config), default=_plain)
    native = _options.native().Adapter.of_bytes(label or "<memory>", of_tensors(tensors), text, adapter_name)
    return Adapter(native)


def _of_mapping(
    checkpoint: Mapping[object, Any], config: Mapping[str, Any] | None
) -> tuple[dict[str, Any], Mapping[str, Any] | None]:
    """A state dict as it is, and pairs of factors as PEFT names them, with a scaling of 1."""
    if not all(isinstance(value, (tuple, list)) for value in checkpoint.values()) or not checkpoint:
        return {str(name): tensor for name, tensor in checkpoint.items()}, config
    tensors: dict[str, Any] = {}
    ranks: dict[str, int] = {}
    for name, pair in checkpoint.items():
        if len(pair) != 2:
            found = f"{len(pair)} arrays"
            raise make("Invalid", f"{name}: found {found}, expected A and B", None, str(name), found, "A and B")
        tensors[f"{name}.lora_A.weight"], tensors[f"{name}.lora_B.weight"] = pair
        shape = getattr(pair[0], "shape", ())
        ranks[str(name)] = int(shape[0]) if shape else 1
    if config is None:
        most = max(ranks.values())
        others = {name: rank for name, rank in ranks.items() if rank != most}
        config = {
            "peft_type": "LORA",
            "r": most,
            "lora_alpha": most,
            "rank_pattern": others,
            "alpha_pattern": others,
        }
    return tensors, config


def _of_model(
    model: Any, adapter_name: str | None, label: str | None
) -> tuple[dict[str, Any], Mapping[str, Any], str]:
    """What ``save_pretrained`` would write of a live model."""
    import importlib

    peft: Any = importlib.import_module("peft")
    active = model.active_adapter
    name = adapter_name or (active if isinstance(active, str) else active[0])
    if name not in model.peft_config:
        expected = f"one of {', '.join(model.peft_config)}"
        message = f"adapter_name: found {name!r}, expected {expected}"
        raise make("Invalid", message, None, "adapter_name", name, expected)
    tensors = peft.get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    return tensors, model.peft_config[name].to_dict(), label or f"<{type(model).__name__} {name}>"


def _plain(value: Any) -> Any:
    """What JSON has no word for: sets, and types of torch."""
    return sorted(cast("set[Any]", value)) if isinstance(value, (set, frozenset)) else str(value)


def given(
    checkpoints: Iterable[tuple[str, Checkpoint]], adapter_name: str | None = None
) -> tuple[list[str], dict[str, _lorascope.Adapter]]:
    """Paths for a command, and the adapters that it finds open already under some of them.

    ``checkpoints`` has the label of each for the case that it is in memory.
    """
    paths: list[str] = []
    adapters: dict[str, _lorascope.Adapter] = {}
    for label, checkpoint in checkpoints:
        if isinstance(checkpoint, (str, os.PathLike)):
            paths.append(os.fspath(checkpoint))
            continue
        adapter = open(checkpoint, adapter_name=adapter_name, label=f"<{label}>")
        path = adapter.path
        # Two that are open under one path are two.
        while adapters.get(path, adapter._native) is not adapter._native:
            path += "'"
        adapters[path] = adapter._native
        paths.append(path)
    return paths, adapters
