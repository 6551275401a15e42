//! `--keep top:K`: of a block, the pairs that are among the K most alike of either adapter, and a histogram of all.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::folder::Folder;
use super::keep::Keep;
use super::table::{PairRows, put_bytes};
use crate::error::{Error, Result};

/// Classes of a histogram: φ at full rank in steps of 0.01.
pub const N_CLASSES: usize = 100;

/// How the pairs of a block are spread over φ at full rank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// Canonical name of the module.
    pub module: String,
    /// Pairs with φ in [c, c + 1)/100, the last class with 1.
    pub counts: Vec<u64>,
}

/// The rows that are kept of a block; the histogram of all of them is put in place first.
///
/// # Errors
/// `Io` when the histogram cannot be written.
pub fn kept(folder: &Folder, name: &str, keep: &Keep, rows: PairRows) -> Result<PairRows> {
    let &Keep::Top(k) = keep else { return Ok(rows) };
    let histogram = Histogram { module: rows.module.clone(), counts: counts(&rows.phi_r) };
    let dir = folder.histograms();
    std::fs::create_dir_all(&dir).map_err(|error| Error::io("make", &dir, error))?;
    let mut json = serde_json::to_vec(&histogram).expect("numbers and strings are JSON");
    // Writing to a vector cannot fail.
    let _ = json.write_all(b"\n");
    put_bytes(&histogram_file(folder, name), &json)?;
    Ok(rows.only(&most_alike(&rows, k)))
}

/// Where a block's histogram lies.
pub fn histogram_file(folder: &Folder, name: &str) -> PathBuf {
    folder.histograms().join(format!("{name}.json"))
}

fn counts(phi: &[f32]) -> Vec<u64> {
    let mut counts = vec![0; N_CLASSES];
    for phi in phi {
        let class = ((phi * N_CLASSES as f32) as usize).min(N_CLASSES - 1);
        counts[class] += 1;
    }
    counts
}

/// The rows that are among the K of largest φ at full rank of either adapter, in their order. Equal ones: the earlier.
pub fn most_alike(rows: &PairRows, k: usize) -> Vec<usize> {
    let mut of_adapter: HashMap<i32, Vec<usize>> = HashMap::new();
    for row in 0..rows.a.len() {
        of_adapter.entry(rows.a[row]).or_default().push(row);
        of_adapter.entry(rows.b[row]).or_default().push(row);
    }
    let mut kept: Vec<usize> = vec![];
    for places in of_adapter.values_mut() {
        places.sort_by(|&x, &y| rows.phi_r[y].total_cmp(&rows.phi_r[x]).then(x.cmp(&y)));
        kept.extend(&places[..k.min(places.len())]);
    }
    kept.sort_unstable();
    kept.dedup();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_most_alike_of_either_adapter() {
        let rows = PairRows {
            a: vec![0, 0, 0, 1, 1, 2],
            b: vec![1, 2, 3, 2, 3, 3],
            phi_r: vec![0.9, 0.1, 0.2, 0.5, 0.4, 0.3],
            ..PairRows::default()
        };
        // 0: (0, 1); 1: (0, 1); 2: (1, 2); 3: (1, 3).
        assert_eq!(most_alike(&rows, 1), [0, 3, 4]);
        assert_eq!(most_alike(&rows, 3), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn every_pair_is_in_one_class() {
        let counts = counts(&[0.0, 0.005, 0.01, 0.999, 1.0]);
        assert_eq!((counts[0], counts[1], counts[99], counts.iter().sum::<u64>()), (2, 1, 2, 5));
    }
}
