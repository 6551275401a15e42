"""What comes out is read by the libraries that people use."""

import gc

import duckdb
import numpy as np
import pandas
import polars
import pyarrow
import pytest
from conftest import ADAPTERS, factors

import lorascope as ls

PAIR = [ADAPTERS / "sam-rank2", ADAPTERS / "sam-rank16"]


@pytest.fixture(scope="module")
def compared():
    return ls.compare(*PAIR, angles=True)


def test_arrow_takes_a_comparison_as_it_is(compared):
    table = pyarrow.table(compared)
    table.validate(full=True)
    assert table.to_pydict() == compared.table().to_dict()
    assert pyarrow.table(compared.to_arrow()).equals(table)
    kinds = {name: str(table.schema.field(name).type) for name in ("module", "r_a", "adjusted", "shared_init", "angles")}
    assert kinds == {
        "module": "string",
        "r_a": "int64",
        "adjusted": "double",
        "shared_init": "bool",
        "angles": "list<item: double>",
    }


def test_polars_pandas_and_duckdb_read_the_same(compared):
    wanted = compared.table().to_dict()
    assert compared.to_polars().to_dict(as_series=False) == wanted
    assert polars.DataFrame(compared.to_arrow()).equals(compared.to_polars())
    frame = compared.to_pandas()
    assert list(frame.columns) == list(wanted)
    assert frame["adjusted"].tolist() == wanted["adjusted"]
    rows = duckdb.sql("select module, phi_1, angles from compared order by module").fetchall()
    assert sorted(rows) == sorted(zip(wanted["module"], wanted["phi_1"], wanted["angles"]))


def test_columns_are_those_of_the_commands_csv(compared, tmp_path):
    from conftest import command

    path = tmp_path / "pair.csv"
    assert command("compare", *PAIR, "--angles", "-o", path).returncode == 0
    written = pandas.read_csv(path, skipfooter=1, engine="python")
    found = compared.to_pandas()
    shared = [name for name in written.columns if name in found.columns]
    # The table has lists where CSV has a column for each angle, and singular values that CSV has not.
    assert {name for name in written.columns if name not in found.columns} == {f"angle_{k}" for k in range(1, 3)}
    assert {name for name in found.columns if name not in written.columns} == {"sigma_a", "sigma_b", "angles"}
    for name in shared:
        if written[name].dtype == float:
            assert np.allclose(written[name], found[name].astype(float), equal_nan=True, rtol=1e-6), name
        else:
            assert written[name].tolist() == found[name].tolist(), name


def test_values_that_are_not_there_are_null():
    table = ls.Table(
        {
            "text": ["a", None, "ü\x00x"],
            "int": [1, None, -(2**40)],
            "float": [0.5, None, float("inf")],
            "mixed": [1, 0.5, None],
            "bool": [True, None, False],
            "list": [[1.0, None], None, []],
            "none": [None, None, None],
        }
    )
    found = pyarrow.table(table)
    found.validate(full=True)
    assert found.to_pydict() == {**table.to_dict(), "mixed": [1.0, 0.5, None]}
    assert [column.null_count for column in found.columns] == [1, 1, 1, 1, 1, 1, 3]


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 64, 65, 1000])
def test_tables_of_any_length_are_whole(n):
    table = ls.Table({"x": list(range(n)), "even": [at % 2 == 0 or None for at in range(n)], "text": [str(at) for at in range(n)]})
    found = pyarrow.table(table)
    found.validate(full=True)
    if n:
        assert found.to_pydict() == table.to_dict()
    assert len(found) == len(table) == n


def test_a_stream_that_is_not_read_is_released():
    # Under a debugging allocator a leak or a second release shows; here, that it does not crash.
    table = ls.compare(factors(1), factors(2)).table()
    for at in range(200):
        capsule = table.__arrow_c_stream__()
        if at % 2:
            del capsule
    part = pyarrow.table(table).column("module").chunk(0)
    del table
    gc.collect()
    assert part.to_pylist()[0] == "layers.0.self_attn.q_proj"


def test_a_table_says_what_it_is(compared):
    table = compared.table()
    assert repr(ls.Table({"a": [1, 2]})) == "Table(2 rows: a)"
    assert table["module"] == list(compared) and len(list(table.rows())) == len(compared)
