use super::*;
use crate::adapter::{Dtype, Matrix};
use crate::basis::{Update, gaussian_matrix};

/// Factors A and B of one module, and its scaling.
#[derive(Clone)]
struct Planted {
    a: Matrix,
    b: Matrix,
    scaling: f64,
}

const D_IN: usize = 48;
const D_OUT: usize = 40;

/// Values as they are after a file of this type has kept them.
fn stored(matrix: Matrix, dtype: Dtype) -> Matrix {
    let round = |value: f64| match dtype {
        Dtype::F32 => f64::from(value as f32),
        Dtype::F16 => half::f16::from_f64(value).to_f64(),
        Dtype::Bf16 => half::bf16::from_f64(value).to_f64(),
        _ => value,
    };
    let values = matrix.values.iter().map(|&value| round(value)).collect();
    Matrix { dtype, values, ..matrix }
}

fn map(matrix: &Matrix, f: impl Fn(usize, f64) -> f64) -> Matrix {
    let values = matrix.values.iter().enumerate().map(|(at, &value)| f(at, value)).collect();
    Matrix { values, ..matrix.clone() }
}

impl Planted {
    fn new(r: usize, seed: u64) -> Self {
        let a = map(&gaussian_matrix(r, D_IN, 2 * seed), |_, value| 0.02 * value);
        let b = map(&gaussian_matrix(D_OUT, r, 2 * seed + 1), |_, value| 0.01 * value);
        Self { a, b, scaling: 2.0 }.stored(Dtype::F32)
    }

    fn stored(self, dtype: Dtype) -> Self {
        Self { a: stored(self.a, dtype), b: stored(self.b, dtype), ..self }
    }

    /// A·R and R⁻¹·B: R mixes neighbouring rows and scales them.
    fn refactorised(&self) -> Self {
        let r = self.a.rows;
        let at = |i: usize, j: usize| self.a.values[i * D_IN + j];
        let mut turned = self.clone();
        // Row i of A becomes 2·aᵢ + aᵢ₊₁ (the last one 2·aᵢ); the columns of B are solved for from the first on.
        for i in 0..r {
            for j in 0..D_IN {
                turned.a.values[i * D_IN + j] = 2.0 * at(i, j) + if i + 1 < r { at(i + 1, j) } else { 0.0 };
            }
        }
        for row in 0..D_OUT {
            let mut before = 0.0;
            for k in 0..r {
                let value = (self.b.values[row * r + k] - before) / 2.0;
                turned.b.values[row * r + k] = value;
                before = value;
            }
        }
        turned.stored(Dtype::F32)
    }

    /// The first directions of the update, as an SVD gives them.
    fn truncated(&self, rank: usize) -> Self {
        let a = faer::MatRef::from_row_major_slice(&self.a.values, self.a.rows, D_IN);
        let b = faer::MatRef::from_row_major_slice(&self.b.values, D_OUT, self.a.rows);
        let svd = (b * a).thin_svd().unwrap();
        let matrix = |rows, cols, values| Matrix { rows, cols, dtype: Dtype::F32, values };
        let a = (0..rank).flat_map(|k| (0..D_IN).map(move |j| (j, k))).map(|at| svd.V()[at]).collect();
        let b = (0..D_OUT).flat_map(|i| (0..rank).map(move |k| (i, k)));
        let b = b.map(|(i, k)| svd.U()[(i, k)] * svd.S()[k]).collect();
        Self { a: matrix(rank, D_IN, a), b: matrix(D_OUT, rank, b), scaling: self.scaling }.stored(Dtype::F32)
    }

    fn with_noise(&self, size: f64, seed: u64) -> Self {
        let noise = gaussian_matrix(D_OUT, self.b.cols, seed).values;
        let b = map(&self.b, |at, value| value * (1.0 + size * noise[at]));
        Self { b, ..self.clone() }.stored(Dtype::F32)
    }

    fn update(&self) -> Update<'_> {
        Update { a: &self.a, b: &self.b, scaling: self.scaling }
    }
}

/// The relation of adapters of these modules.
fn relation(a: &[Planted], b: &[Planted]) -> Relation {
    let updates = a.iter().zip(b).map(|(a, b)| a.update().pair(b.update())).collect();
    Evidence { same_modules: true, updates, ..Evidence::default() }.relation()
}

fn adapter(r: usize, seed: u64) -> Vec<Planted> {
    (0..3).map(|module| Planted::new(r, 10 * seed + module)).collect()
}

fn each(adapter: &[Planted], change: impl Fn(&Planted) -> Planted) -> Vec<Planted> {
    adapter.iter().map(change).collect()
}

#[test]
fn every_kind_of_copy_is_told_from_every_other() {
    for r in [1, 4, 16] {
        let base = adapter(r, 1);
        assert_eq!(relation(&base, &base), Relation::SameFactors);
        let refactorised = each(&base, Planted::refactorised);
        assert_eq!(relation(&base, &refactorised), Relation::SameUpdate, "r = {r}");
        for dtype in [Dtype::F16, Dtype::Bf16] {
            let stored = each(&base, |module| module.clone().stored(dtype));
            assert_eq!(relation(&base, &stored), Relation::SameUpdate, "{dtype}, r = {r}");
            assert_eq!(relation(&stored, &base), Relation::SameUpdate);
        }
        let halved = each(&base, |module| Planted { scaling: 1.0, ..module.clone() });
        assert!(
            matches!(relation(&base, &halved), Relation::Scaled { factor } if (factor - 0.5).abs() < 1e-9)
        );
        let negated =
            each(&base, |module| Planted { b: map(&module.b, |_, value| -value), ..module.clone() });
        let found = relation(&base, &negated);
        assert!(matches!(found, Relation::Negated { factor } if (factor - 1.0).abs() < 1e-9), "{found:?}");
        // In bf16 the noise drowns in the rounding; in f32 it does not.
        let noisy = each(&base, |module| module.with_noise(1e-3, 99));
        let found = relation(&base, &noisy);
        assert!(
            matches!(found, Relation::Near { difference } if (5e-4..2e-3).contains(&difference)),
            "{found:?}"
        );
        // Moved by a training step of a tenth.
        let trained = each(&base, |module| module.with_noise(0.1, 7));
        assert_eq!(relation(&base, &trained), Relation::Alike);
        let evidence = Evidence {
            steps_of_one_run: true,
            updates: base.iter().zip(&trained).map(|(a, b)| a.update().pair(b.update())).collect(),
            ..Evidence::default()
        };
        assert_eq!(evidence.relation(), Relation::StepsOfOneRun);
    }
}

#[test]
fn a_truncated_svd_is_resized_from_either_side_with_its_share_of_the_energy() {
    let base = adapter(16, 2);
    let truncated = each(&base, |module| module.truncated(4));
    let energy = |adapter: &[Planted]| -> f64 {
        adapter.iter().map(|module| module.update().pair(module.update()).norms[0].powi(2)).sum()
    };
    let expected = energy(&truncated) / energy(&base);
    assert!((0.3..0.9).contains(&expected));
    for (a, b, is_b) in [(&base, &truncated, true), (&truncated, &base, false)] {
        match relation(a, b) {
            Relation::Resized { smaller_is_b, share } => {
                assert_eq!(smaller_is_b, is_b);
                assert!((share - expected).abs() < 1e-5, "{share} for {expected}");
            }
            other => panic!("{other:?}"),
        }
    }
    // A full truncation keeps everything, at the same rank.
    let whole = each(&base, |module| module.truncated(16));
    assert_eq!(relation(&base, &whole), Relation::SameUpdate);
}

#[test]
fn no_two_of_many_random_adapters_are_related() {
    // Two ranks, so that one could be taken for a part of the other: 448 · 447 / 2 = 100,128 pairs.
    let adapters: Vec<Planted> = (0..448).map(|seed| Planted::new(1 + seed as usize % 3, seed)).collect();
    let mut n_pairs = 0;
    for (at, a) in adapters.iter().enumerate() {
        for b in &adapters[..at] {
            let evidence = Evidence {
                same_modules: true,
                updates: vec![a.update().pair(b.update())],
                ..Evidence::default()
            };
            let found = evidence.relation();
            assert!(!found.is_related() && found != Relation::Unknown, "{found:?}");
            n_pairs += 1;
        }
    }
    assert!(n_pairs >= 100_000);
}

#[test]
fn an_update_of_zeros_is_related_to_nothing() {
    let base = adapter(4, 3);
    let zero = each(&base, |module| Planted { scaling: 0.0, ..module.clone() });
    assert_eq!(relation(&base, &zero), Relation::Unknown);
    assert_eq!(Evidence::default().relation(), Relation::Unknown);
    let shared = Evidence { shared_init: true, ..Evidence::default() };
    assert_eq!(shared.relation(), Relation::SharedInit);
    let file = Evidence { same_file: true, ..Evidence::default() };
    assert_eq!(file.relation(), Relation::SameFile);
}
