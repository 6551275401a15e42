//! Every statistic of a pair of subspaces: its formula, its range, and what chance would give.
//!
//! [`STATISTICS`] is the one list of what a scan's table, `compare` and `figure --json` hold of a pair, and [`PRODUCT_SUMS`],
//! which follows from it, of what engines make for it. A new statistic is a file here and a line of that list. Where it needs
//! another sum over the product, `shaders/shared/stack.wgsl` has to make it too; and where that is a sum of a new kind
//! ([`Terms`], [`Corner`]), so have `engine/cpu/tile_stats.rs` and the plain loops of `kernels/pair_stats`.

pub mod adjusted;
pub mod against_base;
pub(crate) mod angles;
pub(crate) mod baseline;
mod batch;
pub(crate) mod cells;
pub mod chance;
mod grid;
pub mod init_cosine;
pub mod k90;
pub(crate) mod linear_cka;
mod needs;
pub(crate) mod other_base;
mod pair;
pub(crate) mod phi_full;
pub(crate) mod phi_r;
mod product;
pub(crate) mod shared_init;
mod spectrum;
#[cfg(any(feature = "scan", test))]
pub(crate) mod start_projection;
mod statistic;
pub mod summary;
mod sums;
pub mod update;
mod values;
mod z;

pub use batch::{MakeGrids, Member, MemberUpdate, PairBatch, Wanted};
pub use grid::Grid;
#[cfg(feature = "scan")]
pub(crate) use grid::column as grids_column;
pub use linear_cka::LINEAR_CKA;
pub use needs::Needs;
#[cfg(feature = "cli")]
pub(crate) use pair::Cell;
pub use pair::PairStatistics;
pub use phi_full::PHI_FULL;
pub use phi_r::PHI_R;
pub use product::{Corner, ProductSum, Terms};
pub use spectrum::effective_rank;
pub use statistic::{Column, Columns, Kind, Statistic, Text};
pub use sums::{BlockStats, N_PLAIN_SUMS, N_PRODUCT_SUMS, PRODUCT_SUMS, PairStats};
pub use values::Values;

use crate::error::Result;

/// Every statistic of a pair, in the order of a table's columns.
pub const STATISTICS: [Statistic; 15] = [
    spectrum::STATISTIC,
    cells::STATISTIC,
    phi_r::STATISTIC,
    phi_full::STATISTIC,
    adjusted::STATISTIC,
    linear_cka::STATISTIC,
    baseline::STATISTIC,
    z::STATISTIC,
    update::COSINE,
    update::NORMS,
    init_cosine::STATISTIC,
    shared_init::STATISTIC,
    other_base::STATISTIC,
    angles::STATISTIC,
    grid::STATISTIC,
];

/// The columns of all statistics.
pub fn columns(wanted: &Wanted) -> Vec<(String, Kind)> {
    STATISTICS.iter().flat_map(|statistic| statistic.columns_for(wanted)).collect()
}

/// The values of all statistics: one entry for each of the [`columns`], with a value for each pair.
///
/// # Errors
/// `Invalid` when the bases of a pair have different d.
pub fn values(batch: &PairBatch<'_>) -> Result<Vec<Values>> {
    let values: Result<Vec<Vec<Values>>> =
        STATISTICS.iter().map(|statistic| (statistic.values)(batch)).collect();
    Ok(values?.into_iter().flatten().collect())
}

/// One column of a statistic, for those who need no other.
#[cfg(feature = "scan")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct OneColumn {
    statistic: usize,
    place: usize,
}

#[cfg(feature = "scan")]
impl OneColumn {
    /// The column of this name; `None` where it is not among what is wanted.
    pub(crate) fn find(name: &str, wanted: &Wanted) -> Option<Self> {
        STATISTICS.iter().enumerate().find_map(|(at, statistic)| {
            let place = statistic.columns_for(wanted).iter().position(|(column, _)| column == name)?;
            Some(Self { statistic: at, place })
        })
    }

    /// As that column of [`values`].
    ///
    /// # Errors
    /// As [`values`].
    pub(crate) fn values(self, batch: &PairBatch<'_>) -> Result<Values> {
        Ok((STATISTICS[self.statistic].values)(batch)?.swap_remove(self.place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basis::Basis;

    fn axes(q: usize, d: usize) -> Basis {
        let rows = (0..q * d).map(|at| f32::from(u8::from(at / d == at % d))).collect();
        Basis::from_rows(d, rows, vec![1.0; q]).unwrap()
    }

    /// The values of a column of one pair of spaces of 2 of 5 dimensions.
    fn of_pair(wanted: &Wanted, stats: Vec<f32>, init_cosine: f64) -> impl Fn(&str) -> Values {
        let (a, b) = (axes(2, 5), axes(2, 5));
        let [a, b] = [(&a, 7), (&b, 8)].map(|(basis, model)| Member {
            basis,
            base_model: Some(model),
            update: Some(MemberUpdate { norm: 2.0, n_weights: 9 }),
        });
        let batch = PairBatch {
            wanted,
            a: &[a],
            b: &[b],
            places: &[(0, 0)],
            stats: &BlockStats::new(wanted.cells.len(), stats),
            init_cosines: &[init_cosine],
            cosines: &[f64::from(1.0f32.next_up())],
            grids: &|_| Ok(vec![Grid::new(2, 2, 5, vec![1.0f32.next_up(), 0.5, -1e-9, 1.0])?]),
        };
        let values = values(&batch).unwrap();
        let names = columns(wanted);
        assert_eq!(names.len(), values.len());
        move |name| values[names.iter().position(|(column, _)| column == name).unwrap()].clone()
    }

    #[test]
    fn what_rounding_leaves_outside_of_0_to_1_is_clamped_and_null_stays_null() {
        let wanted = Wanted {
            cells: vec![(1, 1), (2, 1), (8, 4)],
            max_rank: 3,
            angles: true,
            grid: true,
            update: true,
        };
        let over = 1.0f32.next_up();
        let value = of_pair(&wanted, vec![over, -1e-9, f32::NAN, over, over, over], 0.0);
        assert_eq!(["phi_1", "phi_2_1"].map(|name| value(name).number(0)), [1.0, 0.0]);
        assert!(value("phi_8_4").number(0).is_nan());
        assert_eq!(
            ["phi_r", "phi_full", "adjusted", "linear_cka"].map(|name| value(name).number(0)),
            [1.0; 4]
        );
        assert_eq!(value("phi"), Values::Lists { lengths: vec![4], values: vec![1.0, 0.5, 0.0, 1.0] });
        let update = ["cosine", "norm_a", "norm_b", "cosine_z"].map(|name| value(name).number(0));
        assert_eq!(update, [1.0, 2.0, 2.0, 3.0]);
        // z is that of the clamped φ: 1 − 2/5 over √(2·2·2·3·3/(25·4·7·4)).
        assert!((value("z").number(0) - 0.6 / (72.0f64 / 2800.0).sqrt()).abs() < 1e-12);
        let angles = ["angle_1", "angle_2", "angle_3"].map(|name| value(name).number(0));
        assert!(angles[..2] == [0.0, 0.0] && angles[2].is_nan(), "{angles:?}");
    }

    #[test]
    fn a_shared_start_has_no_z_and_other_base_models_are_marked() {
        let wanted = Wanted::default();
        let value = |cosine| of_pair(&wanted, vec![0.5; N_PRODUCT_SUMS], cosine);
        for (cosine, is_shared) in [(0.51, true), (0.5, false), (-0.9, false), (f64::NAN, false)] {
            let value = value(cosine);
            assert_eq!(value("shared_init"), Values::Flags(vec![Some(is_shared)]), "{cosine}");
            assert_eq!(value("z").number(0).is_nan(), is_shared, "{cosine}");
            assert_eq!(value("z_full").number(0).is_nan(), is_shared, "{cosine}");
        }
        assert_eq!(value(0.0)("other_base"), Values::Flags(vec![Some(true)]));
    }

    #[test]
    fn what_a_statistic_is_computed_from_is_declared_once() {
        let columns =
            columns(&Wanted { cells: vec![(1, 1)], max_rank: 1, angles: true, grid: true, update: true });
        for (at, (name, _)) in columns.iter().enumerate() {
            assert!(columns[..at].iter().all(|(other, _)| other != name), "{name} twice");
        }
        for (at, statistic) in STATISTICS.iter().enumerate() {
            assert!(STATISTICS[..at].iter().all(|other| other.key != statistic.key), "{}", statistic.key);
            if let Needs::Statistics(keys) = statistic.needs {
                let is_known = |key: &&str| STATISTICS.iter().any(|other| other.key == *key);
                assert!(keys.iter().all(is_known), "{keys:?} of {}", statistic.key);
            }
        }
        assert_eq!(
            [PHI_R, PHI_FULL, LINEAR_CKA].map(|sum| PRODUCT_SUMS[sum.place()]),
            [PHI_R, PHI_FULL, LINEAR_CKA]
        );
    }
}
