//! Tables as they are written and read again.
#![allow(clippy::single_range_in_vec_init, reason = "a range holds the ids of one row group")]

use std::fs;
use std::path::{Path, PathBuf};

use super::read::BATCH_ROWS;
use super::*;
use crate::error::{Error, Result};
use crate::files::Durability;

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.parquet");
    (folder, path)
}

fn schema() -> Schema {
    Schema::new([
        Field::new("id", ColumnType::Int32),
        Field::new("step", ColumnType::Int64).nullable(),
        Field::new("base", ColumnType::Text).nullable(),
        Field::new("module", ColumnType::Text),
        Field::new("rank", ColumnType::Int32).nullable().stored(Encoding::Delta),
        Field::new("phi", ColumnType::Float32).nullable().stored(Encoding::Plain),
        Field::new("exact", ColumnType::Float64),
        Field::new("flag", ColumnType::Bool).nullable(),
        Field::new("cells", ColumnType::Float32List).stored(Encoding::Plain),
    ])
}

/// Columns of that schema, from this id on.
fn group(ids: std::ops::Range<i32>) -> Vec<Values> {
    let n = ids.len();
    let cells = ids.clone().flat_map(|id| [id as f32, 0.5]).collect();
    vec![
        Values::Int32(Cells::All(ids.clone().collect())),
        Values::Int64(Cells::Some(
            ids.clone().map(|id| (id % 2 == 0).then_some(i64::from(id) << 40)).collect(),
        )),
        Values::optional_texts(ids.clone().map(|id| (id % 3 == 0).then(|| format!("ü{}", id % 7)))),
        Values::same_text(Some("q_proj".to_owned()), n),
        Values::Int32(Cells::Same(None, n)),
        Values::Float32(ids.clone().map(|id| if id % 5 == 0 { f32::NAN } else { id as f32 / 8.0 }).collect()),
        Values::Float64(ids.clone().map(f64::from).collect()),
        Values::Bool(Cells::Some(ids.map(|id| [None, Some(true), Some(false)][id as usize % 3]).collect())),
        Values::Float32List(vec![2; n], cells),
    ]
}

fn write_ids(path: &Path, groups: &[std::ops::Range<i32>]) {
    let groups = groups.iter().map(|ids| Ok(group(ids.clone())));
    write(path, Durability::Process, &schema(), groups, vec![("lorascope.note", "[1]".to_owned())]).unwrap();
}

/// Id, step, base, rank, φ, exact and flag.
type Row = (Option<i64>, Option<i64>, Option<String>, f64, f64, f64, Option<bool>);

fn read(path: &Path) -> Result<Vec<Row>> {
    let mut rows = vec![];
    let names = ["id", "step", "base", "rank", "phi", "exact", "flag", "none"];
    TableFile::open(path)?.read(&names, 7, |batch| {
        assert!(batch.number(7, 0).is_nan() && batch.text(7, 0).is_none() && batch.flag(7, 0).is_none());
        rows.extend((0..batch.n_rows).map(|row| {
            (
                batch.integer(0, row),
                batch.integer(1, row),
                batch.text(2, row),
                batch.number(3, row),
                batch.number(4, row),
                batch.number(5, row),
                batch.flag(6, row),
            )
        }));
        Ok(())
    })?;
    Ok(rows)
}

#[test]
fn rows_come_in_batches_in_order_with_their_nulls() {
    let (_folder, path) = folder();
    let n = 2 * BATCH_ROWS as i32 + 7;
    write_ids(&path, &[0..n, n..n + 3]);
    let found = read(&path).unwrap();
    assert_eq!(found.len() as i32, n + 3);
    for (id, (found_id, step, base, rank, phi, exact, flag)) in (0..).zip(found) {
        assert_eq!((found_id, exact), (Some(i64::from(id)), f64::from(id)));
        assert_eq!(step, (id % 2 == 0).then_some(i64::from(id) << 40));
        assert_eq!(base, (id % 3 == 0).then(|| format!("ü{}", id % 7)));
        assert_eq!((rank.is_nan(), phi.is_nan()), (true, id % 5 == 0));
        assert!(phi.is_nan() || phi == f64::from(id) / 8.0);
        assert_eq!(flag, [None, Some(true), Some(false)][id as usize % 3]);
    }
}

#[test]
fn the_same_values_make_the_same_bytes_and_the_metadata_comes_back() {
    let (folder, path) = folder();
    write_ids(&path, &[0..9]);
    let other = folder.path().join("y.parquet");
    write_ids(&other, &[0..9]);
    assert_eq!(fs::read(&path).unwrap(), fs::read(&other).unwrap());
    let file = TableFile::open(&path).unwrap();
    assert_eq!((file.n_rows(), file.metadata("lorascope.note")), (9, Some("[1]")));
    assert_eq!(file.metadata("lorascope.none"), None);
}

#[test]
fn a_table_without_rows_is_a_table() {
    let (_folder, path) = folder();
    write_ids(&path, &[0..0]);
    assert_eq!(read(&path).unwrap(), []);
    TableFile::open(&path).unwrap().expect(&schema()).unwrap();
}

#[test]
fn a_column_that_is_not_there_is_named() {
    let (_folder, path) = folder();
    write_ids(&path, &[0..1]);
    let error = TableFile::open(&path).unwrap().read(&["id", "phi_r"], 2, |_| Ok(())).unwrap_err();
    let expected = "x.parquet: columns: found none, expected a column `phi_r`, as lorascope scan writes it";
    assert!(error.to_string().ends_with(expected), "{error}");
    // A list is not one number a row.
    assert!(TableFile::open(&path).unwrap().read(&["cells"], 1, |_| Ok(())).is_err());
}

#[test]
fn other_columns_are_seen_whatever_is_other_in_them() {
    let (_folder, path) = folder();
    write_ids(&path, &[0..1]);
    let file = TableFile::open(&path).unwrap();
    file.expect(&schema()).unwrap();
    let changes: [fn(&mut Schema); 5] = [
        |schema| drop(schema.fields.pop()),
        |schema| schema.fields.swap(0, 1),
        |schema| schema.fields[0].name = "number".into(),
        |schema| schema.fields[0].is_nullable = true,
        |schema| schema.fields[0].column_type = ColumnType::Int64,
    ];
    for (n, change) in changes.into_iter().enumerate() {
        let mut other = schema();
        change(&mut other);
        let error = file.expect(&other).unwrap_err();
        assert!(error.to_string().contains("x.parquet: columns: found other columns"), "{n}: {error}");
    }
}

#[test]
fn values_that_do_not_fit_the_schema_leave_no_file() {
    let (folder, path) = folder();
    let nulls = Values::Int32(Cells::Some(vec![Some(1), None]));
    for values in [vec![], vec![Values::Float32(vec![1.0])], vec![nulls]] {
        let schema = Schema::new([Field::new("id", ColumnType::Int32)]);
        let error =
            write(&path, Durability::Process, &schema, std::iter::once(Ok(values)), vec![]).unwrap_err();
        assert!(matches!(&error, Error::Invalid(_)), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    let (_folder, path) = folder();
    write_ids(&path, &[0..20]);
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        if at % 5 == 0 {
            fs::write(&path, &whole[..at]).unwrap();
            let error = read(&path).unwrap_err();
            let names_it = error.to_string().contains("x.parquet: found damage (");
            assert!(matches!(error, Error::Malformed(_)) && names_it, "cut at {at}: {error}");
        }
        let mut bytes = whole.clone();
        bytes[at] ^= [0x80, 0x01, 0xff][at % 3];
        fs::write(&path, bytes).unwrap();
        if let Err(error) = read(&path) {
            assert!(matches!(error, Error::Malformed(_)), "byte {at}: {error}");
        }
    }
}

#[test]
fn some_rows_of_a_column_and_more_rows_behind_them() {
    let mut columns = group(0..4);
    let more = group(4..6);
    columns.truncate(8);
    for (column, more) in columns.iter_mut().zip(more) {
        column.append(more);
    }
    let only: Vec<Values> = columns.into_iter().map(|column| column.only(&[5, 0])).collect();
    let Values::Int32(Cells::All(ids)) = &only[0] else { panic!("{:?}", only[0]) };
    assert_eq!(ids, &[5, 0]);
    let Values::Int64(Cells::Some(steps)) = &only[1] else { panic!("{:?}", only[1]) };
    assert_eq!(steps, &[None, Some(0)]);
    let Values::Text(modules) = &only[3] else { panic!("{:?}", only[3]) };
    assert_eq!(modules.get(1).unwrap().data(), b"q_proj");
    assert_eq!(modules.get(2), None);
    let Values::Int32(ranks) = &only[4] else { panic!("{:?}", only[4]) };
    assert_eq!(ranks.get(0), None);
    let Values::Float32(phi) = &only[5] else { panic!("{:?}", only[5]) };
    assert!(phi[0].is_nan() && phi[1].is_nan());
}

#[test]
fn every_flipped_bit_of_a_table_is_seen() {
    let (_folder, path) = folder();
    write_ids(&path, &[0..50, 50..60]);
    let whole = fs::read(&path).unwrap();
    TableFile::open(&path).unwrap().verify().unwrap();
    let is_seen = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        TableFile::open(&path).and_then(|file| file.verify()).is_err()
    };
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        // Without its tag, a file is one of another program.
        assert_eq!(is_seen(&damaged), !(4..12).contains(&at), "byte {at} of {}", whole.len());
    }
    let longer = [&whole[..whole.len() - 8], &[0; 3], &whole[whole.len() - 8..]].concat();
    assert!(is_seen(&longer));
    assert!(!is_seen(&whole));
    let error = {
        let mut damaged = whole;
        damaged[60] ^= 1;
        fs::write(&path, damaged).unwrap();
        TableFile::open(&path).unwrap().verify().unwrap_err()
    };
    let expected = "x.parquet: found damage (bytes that are not those that were written), expected a Parquet file as lorascope \
                    scan wrote it";
    assert!(matches!(error, Error::Malformed(_)) && error.to_string().ends_with(expected), "{error}");
}
