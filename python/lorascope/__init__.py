"""Subspace similarity of LoRA checkpoints: φ(i, j) of the LoRA paper (Hu et al. 2021) for every module and every pair.

>>> import lorascope as ls
>>> c = ls.compare("runs/seed0", "runs/seed1", side="a")  # doctest: +SKIP
>>> c["layers.3.self_attn.q_proj"].phi  # doctest: +SKIP
"""

from ._adapters import Adapter, Checkpoint, Module, open
from ._bases import Bases, Basis, bases
from ._compare import Comparison, ModuleComparison, compare
from ._documents import Document, Inspection, MergeCheck, Shared, inspect, merge_check, shared
from ._errors import (
    Error,
    GpuError,
    InvalidError,
    IoError,
    LimitError,
    LorascopeWarning,
    MalformedError,
    NotFoundError,
    UnsupportedError,
)
from ._figure import Figure, figure
from ._lorascope import __version__
from ._scan import ParquetTable, Report, Scan, Search, report, scan, search
from ._table import Table

__all__ = [
    "Adapter",
    "Bases",
    "Basis",
    "Checkpoint",
    "Comparison",
    "Document",
    "Error",
    "Figure",
    "GpuError",
    "Inspection",
    "InvalidError",
    "IoError",
    "LimitError",
    "LorascopeWarning",
    "MalformedError",
    "MergeCheck",
    "Module",
    "ModuleComparison",
    "NotFoundError",
    "ParquetTable",
    "Report",
    "Scan",
    "Search",
    "Shared",
    "Table",
    "UnsupportedError",
    "__version__",
    "bases",
    "compare",
    "figure",
    "inspect",
    "merge_check",
    "open",
    "report",
    "scan",
    "search",
    "shared",
]

# Errors and results are what the package calls them, wherever they are defined.
for _value in [globals()[_name] for _name in __all__]:
    if isinstance(_value, type):
        _value.__module__ = __name__
