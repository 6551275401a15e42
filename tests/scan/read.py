"""Reads a scan with DuckDB and Polars, and checks its schema against the one that the README documents.

Arguments: the output folder, the number of angle columns, `true` where whole grids are kept, and `true` where updates are.
"""

import json
import re
import sys

import duckdb
import polars

out, n_angles, has_grids, has_update = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "true", sys.argv[4] == "true"

# name, type in DuckDB, whether a value may be missing
TEXT, INT, LONG, FLOAT, DOUBLE, FLAG = "VARCHAR", "INTEGER", "BIGINT", "FLOAT", "DOUBLE", "BOOLEAN"
PAIRS = [("module", TEXT, False), ("layer", INT, True), ("projection", TEXT, True), ("a", INT, False), ("b", INT, False)]
PAIRS += [(name, INT, False) for name in ("r_a", "r_b", "q_a", "q_b", "d")]
PAIRS += [(f"phi_{k}", FLOAT, True) for k in (1, 2, 4, 8)]
PAIRS += [("phi_r", FLOAT, False), ("phi_full", FLOAT, False), ("baseline_full", FLOAT, False), ("z_full", FLOAT, True)]
PAIRS += [("adjusted", FLOAT, True), ("linear_cka", FLOAT, False), ("baseline", FLOAT, False), ("z", FLOAT, True)]
PAIRS += [(name, FLOAT, True) for name in ("cosine", "cosine_z")] if has_update else []
PAIRS += [(name, DOUBLE, True) for name in ("norm_a", "norm_b")] if has_update else []
PAIRS += [("init_cosine", FLOAT, True), ("shared_init", FLAG, False), ("other_base", FLAG, True)]
PAIRS += [(f"angle_{k}", FLOAT, True) for k in range(1, n_angles + 1)]
PAIRS += [(name, FLOAT, False) for name in ("geodesic", "chordal", "angle_max")] if n_angles else []
PAIRS += [("phi", "FLOAT[]", False)] if has_grids else []
ADAPTERS = [("id", INT, False), ("path", TEXT, False), ("run", TEXT, False), ("step", LONG, True)]
ADAPTERS += [("base_model", TEXT, True), ("naming_scheme", TEXT, False), ("n_modules", INT, False)]
ADAPTERS += [("n_left_out", INT, False), ("rank", INT, False)]
ADAPTERS += [("digest", TEXT, True), ("problem", TEXT, True), ("unread", TEXT, True)]

pairs, adapters = f"{out}/pairs/*.parquet", f"{out}/adapters.parquet"


def check(found, expected, what):
    if found != expected:
        sys.exit(f"{what}: found {found}, expected {expected}")


RELATIONS = [("a", INT, False), ("b", INT, False), ("relation", TEXT, False), ("factor", FLOAT, True), ("energy", FLOAT, True)]
RELATIONS += [("difference", FLOAT, True), ("cosine", FLOAT, True), ("n_modules", INT, False), ("exact", FLAG, False)]
tables = [(pairs, PAIRS), (adapters, ADAPTERS)] + ([(f"{out}/relations.parquet", RELATIONS)] if has_update else [])
for glob, documented in tables:
    described = duckdb.sql(f"DESCRIBE SELECT * FROM read_parquet('{glob}')").fetchall()
    check([row[:2] for row in described], [(name, kind) for name, kind, _ in documented], f"DuckDB, {glob}")
    raw = duckdb.sql(f"SELECT file_name, name, repetition_type FROM parquet_schema('{glob}')").fetchall()
    for name, _, may_miss in documented:
        found = {repetition for _, column, repetition in raw if column == name}
        check(found, {"OPTIONAL" if may_miss else "REQUIRED"}, f"{glob}, {name}")
    # The same columns in each file, not only in the first.
    per_file = {}
    for file, name, _ in raw:
        per_file.setdefault(file, []).append(name)
    check(len({tuple(names) for names in per_file.values()}), 1, f"schemas of {glob}")

schema = dict(polars.scan_parquet(pairs).collect_schema())
of_polars = {TEXT: polars.String, INT: polars.Int32, FLOAT: polars.Float32, DOUBLE: polars.Float64, FLAG: polars.Boolean}
of_polars["FLOAT[]"] = polars.List(polars.Float32)
check(schema, {name: of_polars[kind] for name, kind, _ in PAIRS}, "Polars")

table = polars.read_parquet(pairs)
n = duckdb.sql(f"SELECT count(*) FROM read_parquet('{pairs}')").fetchall()[0][0]
check(table.height, n, "rows")
joined = duckdb.sql(
    f"""SELECT count(*), count(x.path), count(y.path) FROM read_parquet('{pairs}') p
    JOIN read_parquet('{adapters}') x ON p.a = x.id JOIN read_parquet('{adapters}') y ON p.b = y.id"""
).fetchall()[0]
check(joined, (n, n, n), "rows joined with adapters")

full = table.select(polars.min_horizontal("q_a", "q_b")).to_series()
for k in (1, 2, 4, 8):
    there = table[f"phi_{k}"].is_not_null()
    check(there.to_list(), (full >= k).to_list(), f"phi_{k} is NULL above the rank")
for k in range(1, n_angles + 1):
    there = table[f"angle_{k}"].is_not_null()
    check(there.to_list(), (full >= k).to_list(), f"angle_{k}")
floats = [name for name, kind, _ in PAIRS if kind == FLOAT]
check(sum(table[name].is_nan().sum() for name in floats), 0, "NaN in the table")
if has_grids:
    check(table["phi"].list.len().to_list(), (table["q_a"] * table["q_b"]).to_list(), "cells of a grid")

if n:
    # Adapter ids are dictionary-encoded, names too.
    encodings = duckdb.sql(f"SELECT path_in_schema, encodings FROM parquet_metadata('{pairs}') WHERE num_values > 0").fetchall()
    plain = {name for name, encoding in encodings if name in ("a", "b", "module") and "DICTIONARY" not in encoding}
    check(plain, set(), "columns without a dictionary")
    codecs = {row[0] for row in duckdb.sql(f"SELECT compression FROM parquet_metadata('{pairs}')").fetchall()}
    check(codecs, {"ZSTD"}, "compression")
# Metadata says what a block was made of, and nothing that might be a host name or a time.
for key, value in duckdb.sql(f"SELECT key, value FROM parquet_kv_metadata('{pairs}')").fetchall():
    check(key, b"lorascope.block", "metadata")
    note = json.loads(value)
    check(sorted(note), ["inputs", "mark", "without_basis"], "metadata of a block")
    for name in ("inputs", "mark"):
        check(re.fullmatch("[0-9a-f]{32}", note[name]) is not None, True, f"{name}, a digest")
    for adapter, why in note["without_basis"]:
        check((type(adapter), type(why)), (int, str), "an adapter without a basis")

print(f"{n} rows read by DuckDB and Polars")
