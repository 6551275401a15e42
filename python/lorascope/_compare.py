"""Two checkpoints, compared module by module."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import _options
from ._adapters import Adapter, Checkpoint, given
from ._figure import Figure, figure
from ._table import Table

if TYPE_CHECKING:
    import os

    import numpy as np
    import numpy.typing as npt
    import pandas
    import polars

    from . import _lorascope


class ModuleComparison:
    """One module of two checkpoints.

    Every number of a row of :meth:`Comparison.to_dict` is an attribute too; None where there is no value.
    """

    __slots__ = ("_at", "_pair", "_row")

    def __init__(self, pair: _lorascope.Pair, at: int, row: dict[str, Any]) -> None:
        self._pair, self._at, self._row = pair, at, row

    @property
    def name(self) -> str:
        """Canonical name of the module."""
        name: str = self._row["name"]
        return name

    @property
    def layer(self) -> int | None:
        """Number of its layer; None if the name has none."""
        return self._pair.place(self._at)[0]

    @property
    def projection(self) -> str | None:
        """What it projects to, under one name for all models: q, k, v, o, qkv, gate, up or down; None for anything else."""
        return self._pair.place(self._at)[1]

    @property
    def phi(self) -> npt.NDArray[np.float32]:
        """φ(i, j), (q_a, q_b), from 0 to 1, read in place and read-only. ``phi[i - 1, j - 1]`` is φ(i, j)."""
        import numpy as np

        return np.asarray(self._pair.phi(self._at))

    @property
    def sigma_a(self) -> npt.NDArray[np.float64]:
        """The q_a singular values of the first, falling."""
        import numpy as np

        return np.asarray(self._pair.sigma(self._at, False))

    @property
    def sigma_b(self) -> npt.NDArray[np.float64]:
        """The q_b singular values of the second, falling."""
        import numpy as np

        return np.asarray(self._pair.sigma(self._at, True))

    def to_dict(self) -> dict[str, Any]:
        """The row of the module, as ``lorascope compare --json`` has it."""
        return dict(self._row)

    def _number(self, name: str) -> float | None:
        value: float | None = self._row.get(name)
        return value

    def _flag(self, name: str) -> bool | None:
        value: bool | None = self._row.get(name)
        return value

    @property
    def r_a(self) -> int:
        """Rank of the first: rows of its A."""
        return int(self._row["r_a"])

    @property
    def r_b(self) -> int:
        """Rank of the second."""
        return int(self._row["r_b"])

    @property
    def q_a(self) -> int:
        """Directions of the first above the rounding of its numbers, at most r_a."""
        return int(self._row["q_a"])

    @property
    def q_b(self) -> int:
        """Directions of the second above the rounding of its numbers, at most r_b."""
        return int(self._row["q_b"])

    @property
    def d(self) -> int:
        """Dimension of the space that both subspaces lie in: d_in or d_out."""
        return int(self._row["d"])

    @property
    def phi_r(self) -> float | None:
        """φ(r, r) with r = min(q_a, q_b), from 0 to 1."""
        return self._number("phi_r")

    @property
    def phi_full(self) -> float | None:
        """φ(q_a, q_b), from 0 to 1: how much of the smaller subspace the larger one contains."""
        return self._number("phi_full")

    @property
    def baseline(self) -> float | None:
        """The mean of phi_r for two random subspaces: r/d."""
        return self._number("baseline")

    @property
    def z(self) -> float | None:
        """Standard deviations of phi_r over that; None for a shared start."""
        return self._number("z")

    @property
    def baseline_full(self) -> float | None:
        """The mean of phi_full for two random subspaces: max(q_a, q_b)/d."""
        return self._number("baseline_full")

    @property
    def z_full(self) -> float | None:
        """Standard deviations of phi_full over that; None for a shared start."""
        return self._number("z_full")

    @property
    def adjusted(self) -> float | None:
        """phi_full corrected for chance: 0 for random subspaces, 1 for the same or a contained one."""
        return self._number("adjusted")

    @property
    def linear_cka(self) -> float | None:
        """Linear CKA of the factors, from 0 to 1, which weighs directions by their singular values."""
        return self._number("linear_cka")

    @property
    def cosine(self) -> float | None:
        """Cosine of the two updates ΔW, from -1 (opposite) over 0 (unrelated) to 1."""
        return self._number("cosine")

    @property
    def cosine_z(self) -> float | None:
        """Standard deviations of the cosine from 0."""
        return self._number("cosine_z")

    @property
    def norm_a(self) -> float | None:
        """‖ΔW‖ of the first, Frobenius."""
        return self._number("norm_a")

    @property
    def norm_b(self) -> float | None:
        """‖ΔW‖ of the second, Frobenius."""
        return self._number("norm_b")

    @property
    def init_cosine(self) -> float | None:
        """Cosine of the two A as they are stored, near 1 for a shared start."""
        return self._number("init_cosine")

    @property
    def shared_init(self) -> bool | None:
        """Whether both share the random start of A, so that side a says little about what was learnt."""
        return self._flag("shared_init")

    @property
    def other_base(self) -> bool | None:
        """Whether the configs name different base models."""
        return self._flag("other_base")

    @property
    def k90_a(self) -> int:
        """The fewest directions of the first with 90 % of the energy Σσ²."""
        return int(self._row["k90_a"])

    @property
    def k90_b(self) -> int:
        """The same of the second."""
        return int(self._row["k90_b"])

    @property
    def phi_k90(self) -> float | None:
        """φ(k90_a, k90_b), from 0 to 1."""
        return self._number("phi_k90")

    @property
    def baseline_k90(self) -> float | None:
        """Its mean for two random subspaces."""
        return self._number("baseline_k90")

    @property
    def n_uncertain_a(self) -> int:
        """Directions of the first that are near the rounding of its numbers."""
        return int(self._row["n_uncertain_a"])

    @property
    def n_uncertain_b(self) -> int:
        """The same of the second."""
        return int(self._row["n_uncertain_b"])

    @property
    def angles(self) -> list[float] | None:
        """Principal angles in degrees, rising; None unless they were asked for."""
        value: list[float] | None = self._row.get("angles")
        return value

    @property
    def geodesic(self) -> float | None:
        """‖θ‖₂ of the angles, in radians; None unless they were asked for."""
        return self._number("geodesic")

    @property
    def chordal(self) -> float | None:
        """√Σ sin²θ; None unless angles were asked for."""
        return self._number("chordal")

    @property
    def angle_max(self) -> float | None:
        """The largest angle in degrees; None unless angles were asked for."""
        return self._number("angle_max")

    def __repr__(self) -> str:
        return (
            f"ModuleComparison({self.name!r}, phi {self.phi.shape[0]} × {self.phi.shape[1]}, d = {self.d}, "
            f"adjusted {_shown(self.adjusted)}, cosine {_shown(self.cosine)})"
        )


class Comparison(Mapping[str, ModuleComparison]):
    """Two checkpoints, compared: a mapping from the names of modules.

    A module is found by its canonical name, or by an end of it (``"5.self_attn.q_proj"``) that no other module has.
    ``pyarrow.table(c)``, and DuckDB by the name in a query, take a comparison as the table of its modules.
    """

    __slots__ = ("_facts", "_names", "_native", "_options")

    def __init__(self, native: _lorascope.Pair, options: dict[str, Any]) -> None:
        self._native = native
        self._options = options
        self._names: dict[str, int] = {name: at for at, name in enumerate(native.names())}
        self._facts: dict[str, Any] | None = None

    def _document(self) -> dict[str, Any]:
        if self._facts is None:
            import json

            facts: dict[str, Any] = json.loads(self._native.facts_json())
            self._facts = facts
        return self._facts

    def __getitem__(self, name: str) -> ModuleComparison:
        at = self._names.get(name)
        if at is None:
            found = [known for known in self._names if known.endswith("." + name)]
            if len(found) != 1:
                raise KeyError(_not_found(name, found, list(self._names)))
            at = self._names[found[0]]
        return ModuleComparison(self._native, at, self._document()["modules"][at])

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    @property
    def a(self) -> Adapter:
        """The first checkpoint, whose directions are the rows of φ."""
        return Adapter(self._native.adapters()[0])

    @property
    def b(self) -> Adapter:
        """The second checkpoint, whose directions are the columns of φ."""
        return Adapter(self._native.adapters()[1])

    @property
    def side(self) -> str:
        """The subspace that was compared: a, b, dw-right or dw-left."""
        return self._native.side

    @property
    def engine(self) -> str:
        """What computed the grids."""
        return self._native.engine

    @property
    def relation(self) -> str:
        """What the two are to each other, in a word or two: same file, scaled, alike, unrelated, ..."""
        return self._native.relation[0]

    @property
    def relation_text(self) -> str:
        """The same in a sentence."""
        return self._native.relation[1]

    @property
    def whole(self) -> dict[str, Any]:
        """The updates of all modules as one vector: ``cosine``, ``cosine_z``, ``norm_a``, ``norm_b``, ``norm_ratio``, ``n_modules``."""
        return dict(self._document()["whole"])

    @property
    def left_out(self) -> list[dict[str, Any]]:
        """Modules that both have and that have no subspace in one of the two, with the reason."""
        return list(self._document()["left_out"])

    def to_dict(self, *, grids: bool = False) -> dict[str, Any]:
        """What ``lorascope compare --json`` prints, number for number. Reads both files whole, for their digests.

        Args:
            grids: add φ of every (i, j), as rows of numbers.
        """
        import json

        document: dict[str, Any] = json.loads(self._native.json(grids))
        return document

    def table(self) -> Table:
        """A row for each module, with the columns of ``lorascope compare --csv``; sigma_a, sigma_b and angles are lists."""
        return Table.of_rows(_flat(row) for row in self._document()["modules"])

    def to_arrow(self) -> Table:
        """The table, which has ``__arrow_c_stream__``: ``pyarrow.table(c.to_arrow())``."""
        return self.table()

    def to_pandas(self) -> pandas.DataFrame:
        """The table as a data frame of pandas, which must be installed."""
        return self.table().to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """The table as a data frame of polars, which must be installed."""
        return self.table().to_polars()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table().__arrow_c_stream__(requested_schema)

    def figure(self, **options: Any) -> Figure:
        """The paper's figure of the two, on the same side: :func:`lorascope.figure` with its options.

        ``c.figure(projections=["q", "v"], layer="all")``; in a notebook it shows itself, and ``.save("fig4.pdf")`` writes it.
        """
        return figure(self.a, self.b, **{**self._options, **options})

    def __repr__(self) -> str:
        a, b = (adapter.path for adapter in self._native.adapters())
        return f"Comparison({str(a)!r}, {str(b)!r}, side {self.side}, {len(self)} modules, {self.relation})"


def compare(
    a: Checkpoint,
    b: Checkpoint,
    *,
    side: str = "a",
    layer: int | str | Sequence[int] | None = None,
    projections: str | Sequence[str] | None = None,
    module: str | Sequence[str] | None = None,
    match: str | os.PathLike[str] = "canonical",
    adapter_name: str | None = None,
    base: str | os.PathLike[str] | None = None,
    rank: int | str | None = None,
    angles: bool = False,
    engine: str = "auto",
    gpu: str | int = "auto",
    precision: str = "f32",
    threads: int | None = None,
    limit: str | Sequence[str] | None = None,
) -> Comparison:
    """Compares two checkpoints: φ(i, j) and every statistic for each module that both have.

    Arguments have the names and the meaning of the options of ``lorascope compare``.

    Args:
        a: the first checkpoint, whose directions are the rows of φ: a path, an opened adapter, ``{module: (A, B)}``, a state
            dict, or a ``PeftModel``.
        b: the second checkpoint, whose directions are the columns.
        side: which subspace: ``a``, the right-singular vectors of A (the paper's choice); ``b``, the left-singular vectors of B;
            ``dw-right`` and ``dw-left``, those of ΔW.
        layer: layers by their numbers, such as 5, ``"0-5"`` or ``[0, 2, 5]``.
        projections: projections by what any model calls them, such as ``["q", "v"]``.
        module: globs on the names of modules.
        match: ``canonical``, ``exact``, or a .csv file of pairs.
        adapter_name: which adapter, of files that have several.
        base: the full model that full fine-tunes were trained from.
        rank: directions of a change that are kept at most, or ``auto``.
        angles: add the principal angles, which takes an SVD for each module.
        engine: ``auto``, ``gpu`` or ``cpu``.
        gpu: which GPU, as ``lorascope devices`` lists it.
        precision: storage type of the bases: ``f32`` (φ accurate to 1e-5) or ``f16``.
        threads: CPU threads.
        limit: what files may ask for, such as ``"modules=500000"``.

    Raises:
        Error: what is wrong, with the file and the tensor.

    Warns:
        LorascopeWarning: what would mislead, such as a start that both share.
    """
    kept: dict[str, Any] = {
        "side": side, "match": match, "adapter_name": adapter_name, "base": base, "rank": rank, "engine": engine, "gpu": gpu,
        "precision": precision, "threads": threads, "limit": limit,
    }  # fmt: skip
    options = {**kept, "layer": layer, "projections": projections, "module": module, "angles": angles}
    paths, adapters = given([("a", a), ("b", b)], adapter_name)
    native, said = _options.native().compare(_options.words("compare", options, paths), adapters)
    _options.tell(said)
    return Comparison(native, kept)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row with a column for each φ(k, k)."""
    flat: dict[str, Any] = {"module": row["name"]}
    rest = {name: value for name, value in row.items() if name not in ("name", "diagonal")}
    shape = ("r_a", "r_b", "q_a", "q_b", "d")
    flat.update({name: rest.pop(name) for name in shape})
    flat.update({f"phi_{cell['k']}": cell["phi"] for cell in row["diagonal"]})
    return {**flat, **rest}


def _not_found(name: str, found: list[str], names: list[str]) -> str:
    if found:
        return f"{name!r} is the end of {len(found)} modules: {', '.join(found[:3])}"
    if not names:
        return f"{name!r}: no module was compared"
    return f"{name!r} is not one of the {len(names)} modules, such as {names[0]!r}"


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
