"""Commands whose result is a document: what checkpoints contain, whether they can be merged, what they share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from . import _options
from ._adapters import Checkpoint, given
from ._table import Table


class Document(Mapping[str, Any]):
    """What a command prints with ``--json``, number for number, as a read-only mapping."""

    __slots__ = ("_document",)

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = dict(document)

    def __getitem__(self, key: str) -> Any:
        return self._document[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._document)

    def __len__(self) -> int:
        return len(self._document)

    def to_dict(self) -> dict[str, Any]:
        """The document as ``lorascope ... --json`` prints it."""
        return dict(self._document)


class Inspection(Document):
    """What checkpoints contain."""

    __slots__ = ()

    @property
    def checkpoints(self) -> list[dict[str, Any]]:
        """Each checkpoint: path, naming scheme, base model, ranks, alphas, modules, ..."""
        return list(self["checkpoints"])

    def table(self) -> Table:
        """A row for each module of each checkpoint: its names, shapes, types, alpha and scaling."""
        rows = ({"path": one["path"], **_scalars(module)} for one in self.checkpoints for module in one["modules"])
        return Table.of_rows(rows)

    def __repr__(self) -> str:
        found = self.checkpoints
        n_modules = sum(one["n_modules"] for one in found)
        return f"Inspection({len(found)} checkpoints, {n_modules} modules, {len(self['bad'])} bad)"


class MergeCheck(Document):
    """What becomes of checkpoints that are merged."""

    __slots__ = ()

    @property
    def word(self) -> str:
        """What the whole updates do: orthogonal, reinforcing, cancelling, redundant, ..."""
        return str(self["whole_model"]["word"])

    @property
    def reason(self) -> str:
        """The pair and the numbers that the word is for."""
        return str(self["whole_model"]["reason"])

    @property
    def modules(self) -> list[dict[str, Any]]:
        """Each module: word, energy_ratio, norms (N), cosine, z and overlaps (N × N)."""
        return list(self["modules"])

    def table(self) -> Table:
        """A row for each module, without the matrices."""
        return Table.of_rows(_scalars(module) for module in self.modules)

    def __repr__(self) -> str:
        n = len(self["adapters"])
        return f"MergeCheck({n} checkpoints, {len(self.modules)} modules, {self.word}: {self.reason})"


class Shared(Document):
    """How much of several checkpoints lies in one space."""

    __slots__ = ()

    @property
    def modules(self) -> list[dict[str, Any]]:
        """Each module: the eigenvalues of the mean projector, from 0 to 1, those by chance, and what is held out."""
        return list(self["modules"])

    def table(self) -> Table:
        """A row for each module: d, k, n_above_chance, the largest eigenvalue and the one by chance."""
        return Table.of_rows(
            {
                "module": one["name"],
                "d": one["d"],
                "k": one["k"],
                "n_above_chance": one["n_above_chance"],
                "largest": one["eigenvalues"][0],
                "largest_by_chance": one["chance"]["largest"],
                "eigenvalues": one["eigenvalues"],
            }
            for one in self.modules
        )

    def __repr__(self) -> str:
        return f"Shared({len(self['adapters'])} checkpoints, {len(self.modules)} modules, side {self['side']})"


def inspect(
    *checkpoints: Checkpoint,
    adapter_name: str | None = None,
    spectra: bool = False,
    base: str | os.PathLike[str] | None = None,
    rank: int | str | None = None,
    threads: int | None = None,
    limit: str | Sequence[str] | None = None,
) -> Inspection:
    """What checkpoints contain: naming scheme, base model, ranks, shapes, types and scaling.

    Args:
        checkpoints: checkpoints, and folders, which are searched.
        adapter_name: which adapter, of files that have several; all of them by default.
        spectra: add numerical ranks, singular values and norms, which takes reading the numbers.
        base: the full model that full fine-tunes were trained from.
        rank: directions of a change that are kept at most, or ``auto``.
        threads: CPU threads.
        limit: what files may ask for, such as ``"modules=500000"``.

    Raises:
        Error: nothing was found at a path that is the only one.

    Warns:
        LorascopeWarning: a checkpoint that cannot be read, of several.
    """
    options: dict[str, object] = {
        "adapter_name": adapter_name, "spectra": spectra, "base": base, "rank": rank, "threads": threads, "limit": limit,
        "json": True,
    }  # fmt: skip
    paths, adapters = _all(checkpoints, adapter_name)
    if len(paths) == 1 and not adapters and not os.path.isdir(paths[0]):
        # Of one, what is wrong is an error.
        _options.native().open(_options.words("inspect", options, paths), True)
    return Inspection(_options.run_json(_options.words("inspect", options, paths), adapters))


def merge_check(
    checkpoints: Sequence[Checkpoint] | str | os.PathLike[str],
    *,
    weights: Sequence[float] | None = None,
    layer: int | str | Sequence[int] | None = None,
    projections: str | Sequence[str] | None = None,
    module: str | Sequence[str] | None = None,
    match: str | os.PathLike[str] = "canonical",
    adapter_name: str | None = None,
    base: str | os.PathLike[str] | None = None,
    rank: int | str | None = None,
    threads: int | None = None,
    limit: str | Sequence[str] | None = None,
) -> MergeCheck:
    """What becomes of checkpoints that are merged: do their updates add up, cancel, or repeat each other?

    Args:
        checkpoints: two or more, or a folder or a glob of them.
        weights: the weight of each in the merge, 1 by default.
        layer: layers by their numbers, such as 5, ``"0-5"`` or ``[0, 2, 5]``.
        projections: projections, such as ``["q", "v"]``.
        module: globs on the names of modules.
        match: ``canonical`` or ``exact``.
        adapter_name: which adapter, of files that have several.
        base: the full model that full fine-tunes were trained from.
        rank: directions of a change that are kept at most, or ``auto``.
        threads: CPU threads.
        limit: what files may ask for.

    Raises:
        Error: what is wrong, with the file and the tensor.
    """
    options: dict[str, object] = {
        "weights": weights, "layer": layer, "projections": projections, "module": module, "match": match,
        "adapter_name": adapter_name, "base": base, "rank": rank, "threads": threads, "limit": limit, "json": True,
    }  # fmt: skip
    paths, adapters = _all(_listed(checkpoints), adapter_name)
    return MergeCheck(_options.run_json(_options.words("merge-check", options, paths), adapters))


def shared(
    checkpoints: Sequence[Checkpoint] | str | os.PathLike[str],
    *,
    side: str = "a",
    directions: int | None = None,
    layer: int | str | Sequence[int] | None = None,
    projections: str | Sequence[str] | None = None,
    module: str | Sequence[str] | None = None,
    match: str | os.PathLike[str] = "canonical",
    adapter_name: str | None = None,
    base: str | os.PathLike[str] | None = None,
    rank: int | str | None = None,
    save: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    limit: str | Sequence[str] | None = None,
) -> Shared:
    """How much of several checkpoints lies in one space, module by module, next to what random subspaces share.

    Args:
        checkpoints: two or more, or a folder or a glob of them.
        side: which subspace: ``a``, ``b``, ``dw-right`` or ``dw-left``.
        directions: number of shared directions, the largest rank by default.
        layer: layers by their numbers, such as 5, ``"0-5"`` or ``[0, 2, 5]``.
        projections: projections, such as ``["q", "v"]``.
        module: globs on the names of modules.
        match: ``canonical`` or ``exact``.
        adapter_name: which adapter, of files that have several.
        base: the full model that full fine-tunes were trained from.
        rank: directions of a change that are kept at most, or ``auto``.
        save: a .safetensors file for the shared directions, (k, d) for each module.
        threads: CPU threads.
        limit: what files may ask for.

    Raises:
        Error: what is wrong, with the file and the tensor.
    """
    options: dict[str, object] = {
        "side": side, "directions": directions, "layer": layer, "projections": projections, "module": module,
        "match": match, "adapter_name": adapter_name, "base": base, "rank": rank, "save": save, "threads": threads,
        "limit": limit, "json": True,
    }  # fmt: skip
    paths, adapters = _all(_listed(checkpoints), adapter_name)
    return Shared(_options.run_json(_options.words("shared", options, paths), adapters))


def _listed(checkpoints: Any) -> list[Checkpoint]:
    return [checkpoints] if isinstance(checkpoints, (str, os.PathLike)) else list(checkpoints)


def _all(checkpoints: Sequence[Checkpoint], adapter_name: str | None) -> tuple[list[str], dict[str, Any]]:
    return given([(f"checkpoint {at}", one) for at, one in enumerate(checkpoints, 1)], adapter_name)


def _scalars(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without its matrices."""

    def is_matrix(value: Any) -> bool:
        if not isinstance(value, list):
            return False
        return any(isinstance(one, (list, bool)) for one in cast("list[object]", value))

    named = (("module" if name == "name" else name, value) for name, value in row.items())
    return {name: value for name, value in named if not is_matrix(value)}
