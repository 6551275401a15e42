"""Every pair of a folder of checkpoints, and what can be asked of the result."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Union

from . import _options
from ._adapters import Adapter
from ._documents import Document
from ._errors import make
from ._table import Table

if TYPE_CHECKING:
    import pandas
    import polars

PathLike = Union[str, "os.PathLike[str]"]


class ParquetTable:
    """A table in Parquet files, which may be larger than memory. It is read by the library that is asked for."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path
        """A file, or a glob of files of one schema, as DuckDB, polars and Spark take it."""

    def to_polars(self) -> polars.DataFrame:
        """The table as a data frame of polars, which must be installed."""
        import polars

        return polars.read_parquet(self.path)

    def scan_polars(self) -> polars.LazyFrame:
        """The table as a lazy frame of polars, which reads only what a query needs."""
        import polars

        return polars.scan_parquet(self.path)

    def to_pandas(self) -> pandas.DataFrame:
        """The table as a data frame of pandas; pyarrow, polars or DuckDB must be installed too."""
        import pandas

        name, module = _reader()
        if name == "duckdb":
            frame: pandas.DataFrame = module.read_parquet(self.path).df()
            return frame
        if name == "polars":
            table: Any = module.read_parquet(self.path)
            return pandas.DataFrame({column: table[column].to_list() for column in table.columns})
        of_arrow: pandas.DataFrame = self._of_pyarrow(module).to_pandas()
        return of_arrow

    def to_arrow(self) -> Any:
        """What has ``__arrow_c_stream__``: a table of pyarrow, or else a frame of polars or a relation of DuckDB."""
        name, module = _reader()
        return self._of_pyarrow(module) if name == "pyarrow.parquet" else module.read_parquet(self.path)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def _of_pyarrow(self, parquet: Any) -> Any:
        import glob
        import importlib

        arrow: Any = importlib.import_module("pyarrow")
        files = sorted(glob.glob(self.path))
        return arrow.concat_tables([parquet.read_table(file) for file in files])

    def __repr__(self) -> str:
        return f"ParquetTable({self.path!r})"


def _reader() -> tuple[str, Any]:
    """A library that reads Parquet."""
    import importlib

    for name in ("pyarrow.parquet", "polars", "duckdb"):
        try:
            return name, importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    raise ModuleNotFoundError("reading the table needs pyarrow, polars or duckdb: pip install polars", name="polars")


class Search(Document):
    """The adapters of a scan that are the nearest to some checkpoints."""

    __slots__ = ()

    @property
    def queries(self) -> list[dict[str, Any]]:
        """Each query with its nearest adapters."""
        return list(self["queries"])

    def table(self) -> Table:
        """A row for each neighbour of each query, the nearest first."""
        return Table.of_rows(
            {
                "query": query["path"],
                "rank": rank,
                **{name: value for name, value in one.items() if name != "relation"},
                "relation": one["relation"]["word"] if one["relation"] else None,
            }
            for query in self.queries
            for rank, one in enumerate(query["nearest"], 1)
        )

    def __repr__(self) -> str:
        shown = [f"{query['path']!r}: {query['nearest'][0]['path']!r}" for query in self.queries if query["nearest"]]
        return f"Search(by {self['by']} of {self['n_adapters']} adapters, nearest to {', '.join(shown) or 'none'})"


class Report(Document):
    """A scan, summed up: what ``report.json`` has; tables and pictures lie in :attr:`folder`."""

    __slots__ = ("folder",)

    def __init__(self, document: dict[str, Any], folder: str) -> None:
        super().__init__(document)
        self.folder = folder
        """Where it was written."""

    def __repr__(self) -> str:
        return f"Report({self.folder!r})"


class Scan:
    """The output folder of a scan: tables of pairs and adapters, and what can be asked of them."""

    __slots__ = ("_counts", "folder", "is_complete", "skipped")

    def __init__(self, folder: PathLike, scanned: Any = None) -> None:
        self.folder = os.fspath(folder)
        """The output folder."""
        if scanned is None and not os.path.exists(os.path.join(self.folder, "plan.json")):
            what, remedy = "not the output folder of a scan", "make one with lorascope.scan(CHECKPOINTS, OUT)"
            raise make("NotFound", f"{self.folder}: {what}", self.folder, None, what, None, remedy)
        self.is_complete: bool = True if scanned is None else scanned.is_complete
        """Whether all pairs are done; other shares may have the rest."""
        self.skipped: dict[str, str] = {} if scanned is None else dict(scanned.skipped)
        """Checkpoints that could not be read, and what is wrong with each."""
        self._counts = None if scanned is None else (scanned.n_adapters, scanned.n_modules, scanned.n_pairs)

    @property
    def pairs(self) -> ParquetTable:
        """A row for each module of each pair: docs/table.md has the columns."""
        return ParquetTable(os.path.join(self.folder, "pairs", "*.parquet"))

    @property
    def adapters(self) -> ParquetTable:
        """A row for each adapter, by whose ``id`` pairs name it."""
        return ParquetTable(os.path.join(self.folder, "adapters.parquet"))

    def relations(self) -> ParquetTable:
        """The pairs that are copies, parts or steps of each other. A scan with ``update=True`` has them.

        Raises:
            NotFoundError: the scan kept no updates, or is not complete.
        """
        path = os.path.join(self.folder, "relations.parquet")
        if not os.path.exists(path):
            remedy = "scan with update=True"
            raise make("NotFound", f"{path}: no such file", path, None, "no such file", None, remedy)
        return ParquetTable(path)

    def search(self, queries: PathLike | Adapter | Sequence[PathLike | Adapter], **options: Any) -> Search:
        """The adapters that are the nearest to some checkpoints: :func:`lorascope.search` in this folder."""
        return search(self.folder, queries, **options)

    def report(self, **options: Any) -> Report:
        """Sums the scan up in tables and pictures: :func:`lorascope.report` of this folder."""
        return report(self.folder, **options)

    def __repr__(self) -> str:
        if self._counts is None:
            return f"Scan({self.folder!r})"
        n_adapters, n_modules, n_pairs = self._counts
        state = "" if self.is_complete else ", not complete"
        return f"Scan({self.folder!r}, {n_adapters} adapters, {n_modules} modules, {n_pairs} pairs{state})"


def scan(
    checkpoints: PathLike | Sequence[PathLike],
    output: PathLike,
    *,
    progress: bool | Callable[[int, int], object] = False,
    list: PathLike | None = None,  # noqa: A002
    pairs: str | Sequence[PathLike] | None = None,
    left: str | None = None,
    right: str | None = None,
    same_base: bool = False,
    layer: int | str | Sequence[int] | None = None,
    projections: str | Sequence[str] | None = None,
    module: str | Sequence[str] | None = None,
    side: str = "a",
    keep: str = "powers",
    angles: bool = False,
    update: bool = False,
    precision: str = "f32",
    shard: str | None = None,
    shard_count: int | None = None,
    engine: str = "auto",
    gpu: str | int = "auto",
    memory: int | str | None = None,
    cache: PathLike | None = None,
    cache_limit: int | str | None = None,
    no_cache: bool = False,
    strict: bool = False,
    fresh: bool = False,
    forget: bool = False,
    base: PathLike | None = None,
    rank: int | str | None = None,
    threads: int | None = None,
    limit: str | Sequence[str] | None = None,
) -> Scan:
    """Compares every pair of a folder of checkpoints, and writes Parquet tables.

    Ctrl-C (KeyboardInterrupt) lets the blocks in flight finish; the same call goes on from there. It computes only what is new
    when the folder has grown.

    Args:
        checkpoints: a folder to search, a glob, or several of these or of checkpoints.
        output: the folder for the tables, created if missing.
        progress: show a bar on stderr or in the notebook; or a function of the rows that are done and of all rows.
        list: a file with more checkpoints, a path on each line.
        pairs: ``all``, ``consecutive``, or ``["against", REF, ...]``.
        left: pair checkpoints that match this glob with those of ``right``.
        right: the glob for the other checkpoint of each pair.
        same_base: pair only checkpoints that name the same base model.
        layer: layers by their numbers, such as 5, ``"0-5"`` or ``[0, 2, 5]``.
        projections: projections, such as ``["q", "v"]``.
        module: globs on the names of modules.
        side: which subspace: ``a``, ``b``, ``dw-right`` or ``dw-left``.
        keep: cells of φ to keep besides full rank: ``powers``, ``diagonal``, ``grid``, ``cells=1:1,8:8``, or ``top:K``.
        angles: add the principal angles, which takes an SVD for each pair.
        update: add the cosine of the updates of each pair, and their norms; :meth:`Scan.relations` needs it.
        precision: storage type of the bases: ``f32`` or ``f16``.
        shard: do a share of the blocks: ``K/N``, or ``auto``.
        shard_count: with ``shard="auto"``, the number of shares.
        engine: ``auto``, ``gpu`` or ``cpu``.
        gpu: which GPUs, as ``lorascope devices`` lists them.
        memory: memory that the scan may take, in bytes or such as ``"8G"``.
        cache: folder of the cache of bases.
        cache_limit: its size limit, such as ``"50G"``.
        no_cache: keep bases only until the scan is complete.
        strict: stop at a bad checkpoint instead of skipping it.
        fresh: remove what an earlier scan left in the folder.
        forget: go on without inputs whose files are gone.
        base: the full model that full fine-tunes were trained from.
        rank: directions of a change that are kept at most, or ``auto``.
        threads: CPU threads.
        limit: what files may ask for.

    Raises:
        Error: what is wrong, with the file and the tensor.

    Warns:
        LorascopeWarning: checkpoints that were left out, and what would mislead.
    """
    options: dict[str, object] = {
        "output": output, "list": list, "pairs": pairs, "left": left, "right": right, "same_base": same_base, "layer": layer,
        "projections": projections, "module": module, "side": side, "keep": keep, "angles": angles, "update": update,
        "precision": precision, "shard": shard, "shard_count": shard_count, "engine": engine, "gpu": gpu, "memory": memory,
        "cache": cache, "cache_limit": cache_limit, "no_cache": no_cache, "strict": strict, "fresh": fresh, "forget": forget,
        "base": base, "rank": rank, "threads": threads, "limit": limit,
    }  # fmt: skip
    named = [checkpoints] if isinstance(checkpoints, (str, os.PathLike)) else checkpoints
    bar = _Bar(progress)
    try:
        scanned, said = _options.native().scan(_options.words("scan", options, named), bar.update)
    finally:
        bar.end()
    _options.tell(said)
    return Scan(output, scanned)


def search(
    scan: PathLike,
    queries: PathLike | Adapter | Sequence[PathLike | Adapter],
    *,
    top: int = 10,
    by: str = "adjusted",
    cache: PathLike | None = None,
    partial: bool = False,
    threads: int | None = None,
) -> Search:
    """The adapters of a scan that are the nearest to some checkpoints.

    Args:
        scan: the output folder of a scan.
        queries: a checkpoint that has files, a glob, or several of these.
        top: how many of the nearest.
        by: ``adjusted``, ``cosine``, ``linear_cka``, ``phi_full``, ``phi_1``, ``phi_8``, ...
        cache: the folder of the cache that the scan used.
        partial: search what is there of a scan that is not finished.
        threads: CPU threads.

    Raises:
        Error: what is wrong, with the file and the tensor.
    """
    named = [queries] if isinstance(queries, (str, os.PathLike, Adapter)) else queries
    paths = [one.path if isinstance(one, Adapter) else os.fspath(one) for one in named]
    options: dict[str, object] = {
        "in": scan, "top": top, "by": by, "cache": cache, "partial": partial, "threads": threads, "json": True,
    }  # fmt: skip
    return Search(_options.run_json(_options.words("search", options, paths)))


def report(
    scan: PathLike,
    *,
    output: PathLike | None = None,
    by: str = "adjusted",
    adapter: str | Sequence[str] | None = None,
    labels: PathLike | None = None,
    partial: bool = False,
    top: int = 100,
    vmin: float | str | None = None,
    vmax: float | str | None = None,
    palette: str | None = None,
    style: str | None = None,
    format: str | None = None,  # noqa: A002
    dpi: float | None = None,
    threads: int | None = None,
) -> Report:
    """Sums a scan up in tables and pictures: what is alike, where in the model, what stands out.

    Args:
        scan: the output folder of a scan.
        output: the folder to write to, ``report`` in that of the scan by default.
        by: ``adjusted``, ``cosine``, ``linear_cka``, ``phi_full``, ``phi_1``, ``phi_8``, ...
        adapter: only these adapters: a path, the end of one, a glob, or a number.
        labels: a .csv file of labels.
        partial: report on what is there of a scan that is not finished.
        top: pairs in the lists of the most and the least alike.
        vmin: dark end of the colours, or ``auto``.
        vmax: light end of the colours, or ``auto``.
        palette: colours, such as ``viridis``.
        style: ``paper``, ``slides`` or ``dark``.
        format: ``png``, ``pdf`` or ``svg``.
        dpi: pixels per inch.
        threads: CPU threads.

    Raises:
        Error: what is wrong.
    """
    folder = os.path.join(os.fspath(scan), "report") if output is None else os.fspath(output)
    options: dict[str, object] = {
        "output": folder, "by": by, "adapter": adapter, "labels": labels, "partial": partial, "top": top, "vmin": vmin,
        "vmax": vmax, "palette": palette, "style": style, "format": format, "dpi": dpi, "threads": threads, "json": True,
    }  # fmt: skip
    return Report(_options.run_json(_options.words("report", options, [scan])), folder)


class _Bar:
    """How far a scan is: a bar on a terminal and in a notebook, of tqdm where that is installed; a line a minute elsewhere."""

    def __init__(self, progress: bool | Callable[[int, int], object]) -> None:
        self._callback = progress if callable(progress) else None
        self._is_shown = progress is True and sys.stderr is not None
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._is_live = self._is_shown and (is_terminal or "ipykernel" in sys.modules)
        self._tqdm: Any = None
        self._line = ""
        self._minutes = 0

    def update(self, n_done: int, n_rows: int, n_ready: int, n_adapters: int, elapsed: float) -> None:
        if self._callback is not None:
            self._callback(n_done, n_rows)
        if not self._is_shown:
            return
        stage = "comparing" if n_ready >= n_adapters else f"factorising {n_ready}/{n_adapters}, comparing"
        if self._is_live and self._tqdm is None:
            self._tqdm = _tqdm(n_rows)
        if self._tqdm:
            self._tqdm.set_description(stage, refresh=False)
            self._tqdm.update(n_done - self._tqdm.n)
            return
        rate = n_done / elapsed if elapsed > 0 else 0.0
        left = f", {(n_rows - n_done) / rate:.0f} s left" if rate > 0 else ""
        facts = f"{n_done}/{n_rows} rows, {rate:.0f}/s{left}"
        if self._is_live:
            width = 30
            bar = "#" * (width * n_done // max(n_rows, 1))
            # The rest of a longer line is written over.
            before, self._line = len(self._line), f"{stage} [{bar:<{width}}] {facts}"
            self._write("\r" + self._line.ljust(before))
        elif elapsed >= 60 * (self._minutes + 1):
            self._minutes = int(elapsed // 60)
            self._write(f"{stage} {facts}\n")

    def end(self) -> None:
        if self._tqdm:
            self._tqdm.close()
        elif self._line:
            self._write("\r" + " " * len(self._line) + "\r")

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


def _tqdm(n_rows: int) -> Any:
    """A bar of tqdm, or False where it is not installed."""
    import importlib

    try:
        bar: Any = importlib.import_module("tqdm.auto").tqdm
    except ImportError:
        return False
    return bar(total=n_rows, unit=" rows", unit_scale=True, leave=False)
