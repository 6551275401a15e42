"""What a program does with the package: type checkers read it, and nothing runs it."""

from pathlib import Path
from typing import assert_type

import numpy as np
import numpy.typing as npt

import lorascope as ls

c = ls.compare("runs/seed0", Path("runs/seed1"), side="a", projections=["q", "v"], layer=[1, 2])
assert_type(c, ls.Comparison)
module = c["layers.3.self_attn.q_proj"]
assert_type(module, ls.ModuleComparison)
phi: npt.NDArray[np.float32] = module.phi
sigma: npt.NDArray[np.float64] = module.sigma_a
cosine: float | None = module.cosine
shared_init: bool | None = module.shared_init
assert_type(module.r_a, int)
for name, one in c.items():
    assert_type(name, str)
    assert_type(one.adjusted, "float | None")
document = c.to_dict(grids=True)
assert_type(c.table(), ls.Table)
assert_type(c.relation, str)
c.to_pandas().to_csv("pairs.csv")
c.to_polars().write_parquet("pairs.parquet")
c.figure(projections=["q", "v"], layer="all").save("fig4.pdf")
png: bytes = ls.figure("a", "b", kind="ranks").to_bytes("png")

a0, b0 = np.zeros((4, 8), np.float32), np.zeros((8, 4), np.float32)
ls.compare({"q": (a0, b0)}, {"q": (a0, b0)})
adapter = ls.open({"q": (a0, b0)}, label="live")
assert_type(adapter.modules[0].scaling, "float | None")


def progress(done: int, of: int) -> None:
    print(done / of)


s = ls.scan(["runs/", "more/*"], "out", progress=progress, pairs=["against", Path("runs/seed0")])
assert_type(s, ls.Scan)
s.pairs.to_polars().describe()
s.relations().to_pandas()
assert_type(s.search("new/", by="cosine"), ls.Search)
assert_type(s.report(), ls.Report)
word: str = ls.merge_check([adapter, "b", Path("c")], weights=[1, 0.8, 0.5]).word
for basis in ls.bases("runs/seed0", side="dw-right").values():
    u, sigma, v = basis
    product: npt.NDArray[np.float64] = (u * sigma) @ v.T

try:
    ls.open("nothing")
except ls.NotFoundError as error:
    remedy: str | None = error.remedy
except ls.Error as error:
    print(error.path, error.tensor, error.found, error.expected)
