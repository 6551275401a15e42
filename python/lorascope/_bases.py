"""Singular vectors of a checkpoint, for programs of one's own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _options
from ._adapters import Checkpoint, open

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class Basis(NamedTuple):
    """The thin SVD of a module's matrix M: A, (rank, d_in), B, (d_out, rank), or ΔW, (d_out, d_in).

    M = u @ np.diag(sigma) @ v.T, within the rounding of the file. The entry of each u[:, k] with the largest absolute value is
    positive.
    """

    u: npt.NDArray[np.float32]
    """(rows of M, q): a left-singular vector in each column, read-only."""
    sigma: npt.NDArray[np.float64]
    """(q,): the singular values, falling."""
    v: npt.NDArray[np.float32]
    """(columns of M, q): a right-singular vector in each column, read-only."""


class Bases(Mapping[str, Basis]):
    """The singular vectors of each module, by its canonical name."""

    __slots__ = ("_bases", "left_out", "path", "side")

    def __init__(self, path: str, side: str, bases: dict[str, Basis], left_out: dict[str, str]) -> None:
        self.path = path
        """The checkpoint."""
        self.side = side
        """The side, which says of which matrix they are."""
        self._bases = bases
        self.left_out = left_out
        """Modules without a subspace, and why they have none."""

    def __getitem__(self, name: str) -> Basis:
        return self._bases[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._bases)

    def __len__(self) -> int:
        return len(self._bases)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a .safetensors file with ``MODULE.u``, ``MODULE.sigma`` and ``MODULE.v``. An existing file is replaced."""
        from ._tensors import of_tensors

        parts = {f"{name}.{part}": array for name, basis in self.items() for part, array in basis._asdict().items()}
        data = of_tensors(parts, {"side": self.side, "checkpoint": self.path})
        # Whole or not at all.
        next_to = f"{os.fspath(path)}.{os.getpid()}.tmp"
        try:
            with _open(next_to, "wb") as file:
                file.write(data)
            os.replace(next_to, path)
        except BaseException:
            if os.path.exists(next_to):
                os.remove(next_to)
            raise

    def __repr__(self) -> str:
        return f"Bases({self.path!r}, side {self.side}, {len(self)} modules)"


def bases(
    checkpoint: Checkpoint,
    *,
    side: str = "a",
    layer: int | str | Sequence[int] | None = None,
    projections: str | Sequence[str] | None = None,
    module: str | Sequence[str] | None = None,
    adapter_name: str | None = None,
    limit: str | Sequence[str] | None = None,
) -> Bases:
    """Singular vectors and values of each module, with the q directions above the rounding of the file.

    The subspaces that :func:`lorascope.compare` compares are the spans of the columns of v on sides ``a`` and ``dw-right``, and of u
    on sides ``b`` and ``dw-left``.

    Args:
        checkpoint: a path, an opened adapter, ``{module: (A, B)}``, a state dict, or a ``PeftModel``.
        side: ``a``: of A; ``b``: of B; ``dw-right`` or ``dw-left``: of ΔW = scaling · B · A, which is never formed.
        layer: layers by their numbers, such as 5, ``"0-5"`` or ``[0, 2, 5]``.
        projections: projections, such as ``["q", "v"]``.
        module: globs on the names of modules.
        adapter_name: which adapter, of a file that has several.
        limit: what a file may ask for.

    Raises:
        Error: what is wrong, with the file and the tensor.

    Warns:
        LorascopeWarning: modules that have no subspace, such as a B that was never trained.
    """
    import numpy as np

    adapter = open(checkpoint, adapter_name=adapter_name, limit=limit)
    found, left_out = adapter._native.bases(
        side, _joined(layer), _words(projections), _words(module)
    )
    if left_out:
        first, why = left_out[0]
        _options.tell([("warning", f"{len(left_out)} modules have no subspace on side {side}: {first}: {why}")])
    arrays = {name: Basis(*(np.asarray(part) for part in parts)) for name, *parts in found}
    return Bases(adapter.path, side, arrays, dict(left_out))


def _joined(value: int | str | Sequence[int] | None) -> str | None:
    if value is None or isinstance(value, (str, int)):
        return value if value is None else str(value)
    return ",".join(str(one) for one in value)


def _words(value: str | Sequence[str] | None) -> list[str]:
    return value.split(",") if isinstance(value, str) else list(value or [])


def _open(path: str, mode: str) -> Any:
    import builtins

    return builtins.open(path, mode)
