//! A few bases next to many others that come one at a time: the few are packed once, the others are read as they lie.

use std::borrow::Cow;

use pulp::{Arch, Simd, WithSimd};

use super::product::PANEL;
use super::row_product::RowFactors;
use super::stack::{Group, Rounded, Stack};
use super::tile::{Scratch, Tile};
use super::tile_stats::{Cell, RunStats};
use super::update_cosines::RunCosines;
use crate::basis::{Basis, UpdateFactors};
use crate::engine::{BlockStats, Precision};
use crate::error::{Fault, Result};

/// A few bases of one dimension.
pub(crate) struct PackedBases {
    stack: Stack,
    precision: Precision,
}

/// Memory that one pair after another uses.
#[derive(Debug, Default)]
pub(crate) struct PackedScratch {
    scratch: Scratch,
    /// The products as they are made, a row for each row of the other basis.
    products: Vec<f32>,
    /// The products of each part, turned.
    turned: [Vec<f32>; 2],
}

impl PackedBases {
    /// Packs these bases.
    pub(crate) fn new(bases: &[&Basis], precision: Precision) -> Self {
        Self { stack: Stack::new(bases, true, precision, vec![]), precision }
    }

    /// What [`Engine::pair_stats`](crate::engine::Engine::pair_stats) of the CPU engine gives of each basis with another one, in
    /// their order: the same, to the last bit. `cells` count from 1.
    ///
    /// # Errors
    /// `Invalid` when the other basis has another dimension.
    pub(crate) fn stats(
        &self,
        other: &Basis,
        cells: &[(usize, usize)],
        scratch: &mut PackedScratch,
    ) -> Result<BlockStats> {
        let sorted = Cell::sorted(cells);
        let n_numbers = BlockStats::n_numbers(cells.len());
        let mut values = vec![f32::NAN; self.stack.ranks.len() * n_numbers];
        let mut stack = Stack::unpacked(other);
        let rows = match self.precision {
            Precision::F32 => Cow::Borrowed(other.rows()),
            Precision::F16 => {
                let Rounded { numbers, scales } = Rounded::of(other);
                stack.scales[..scales.len()].copy_from_slice(&scales);
                Cow::Owned(numbers)
            }
        };
        let other = Other { rows: &rows, stack };
        let whole = 0..self.stack.d;
        self.each_group(
            &other,
            [whole],
            scratch,
            &mut values,
            n_numbers,
            |tile, [products], scratch, values| {
                Arch::new().dispatch(Stats { tile, cells: &sorted, products, scratch, values });
            },
        )?;
        Ok(BlockStats::new(cells.len(), values))
    }

    /// The cosines of updates whose joined rows were packed, with another one of the same shape.
    ///
    /// # Errors
    /// As [`PackedBases::stats`].
    pub(crate) fn cosines(&self, other: &UpdateFactors, scratch: &mut PackedScratch) -> Result<Vec<f32>> {
        let mut values = vec![f32::NAN; self.stack.ranks.len()];
        let parts = [0..other.split(), other.split()..self.stack.d];
        let other = Other { rows: other.joined().rows(), stack: Stack::unpacked(other.joined()) };
        self.each_group(&other, parts, scratch, &mut values, 1, |tile, products, scratch, values| {
            Arch::new().dispatch(Cosines { tile, products, scratch, values });
        })?;
        Ok(values)
    }

    /// Calls `take` for each group with its tile and the tile's products over these parts of the columns.
    fn each_group<const N: usize>(
        &self,
        other: &Other<'_>,
        parts: [std::ops::Range<usize>; N],
        scratch: &mut PackedScratch,
        values: &mut [f32],
        n_numbers: usize,
        take: impl Fn(Tile<'_>, [&[f32]; N], &mut Scratch, &mut [&mut [f32]]),
    ) -> Result<()> {
        let (a, b) = (&self.stack, &other.stack);
        if a.d != b.d {
            let expected = format!("{}, as the others have", a.d);
            return Err(Fault::new(format!("a basis of d = {}", b.d), expected).of("bases").invalid());
        }
        let n_packed = a.steps.len() / a.d * PANEL;
        let n_columns = b.groups[0].n_rows();
        scratch.products.resize(b.ranks[0] * n_packed, 0.0);
        for (part, turned) in parts.into_iter().zip(&mut scratch.turned) {
            let factors = RowFactors { d: a.d, u: other.rows, v: &a.steps };
            Arch::new().dispatch(Multiply { factors, columns: part, products: &mut scratch.products });
            turned.resize(n_packed * n_columns, 0.0);
            for (column, row) in scratch.products.chunks_exact(n_packed).enumerate() {
                let places = turned[column..].iter_mut().step_by(n_columns);
                places.zip(row).for_each(|(place, product)| *place = *product);
            }
        }
        let mut values = values.chunks_exact_mut(n_numbers);
        for group_a in &a.groups {
            let tile = Tile { a, group_a, b, group_b: &b.groups[0], is_upper: false };
            let rows = group_a.panels.start * PANEL * n_columns..group_a.panels.end * PANEL * n_columns;
            let products = std::array::from_fn(|part| &scratch.turned[part][rows.clone()]);
            let mut values: Vec<&mut [f32]> = values.by_ref().take(group_a.bases.len()).collect();
            take(tile, products, &mut scratch.scratch, &mut values);
        }
        Ok(())
    }
}

/// The basis that comes.
struct Other<'a> {
    rows: &'a [f32],
    stack: Stack,
}

struct Multiply<'a> {
    factors: RowFactors<'a>,
    columns: std::ops::Range<usize>,
    products: &'a mut [f32],
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        self.factors.multiply(simd, self.columns, self.products);
    }
}

struct Stats<'a, 'v> {
    tile: Tile<'a>,
    cells: &'a [Cell],
    products: &'a [f32],
    scratch: &'a mut Scratch,
    values: &'a mut [&'v mut [f32]],
}

impl WithSimd for Stats<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { tile, cells, products, scratch: Scratch { sums, due_rows, .. }, values } = self;
        let run = 0..tile.group_a.n_rows();
        RunStats { tile, cells, sums, due_rows, values }.add(run, products);
    }
}

struct Cosines<'a, 'v> {
    tile: Tile<'a>,
    products: [&'a [f32]; 2],
    scratch: &'a mut Scratch,
    values: &'a mut [&'v mut [f32]],
}

impl WithSimd for Cosines<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { tile, products, scratch, values } = self;
        let run = 0..tile.group_a.n_rows();
        RunCosines { tile, sums: &mut scratch.cosines, values }.add(run, products);
    }
}

impl Stack {
    /// One basis without its rows.
    fn unpacked(basis: &Basis) -> Self {
        let n_panels = basis.q().div_ceil(PANEL);
        let mut weights = crate::measure::linear_cka::weights(basis.sigma());
        weights.resize(n_panels * PANEL, 0.0);
        Self {
            d: basis.d(),
            groups: vec![Group { bases: 0..1, panels: 0..n_panels }],
            starts: vec![0],
            ranks: vec![basis.q()],
            scales: vec![1.0; n_panels * PANEL],
            weights,
            steps: vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::{Dtype, Matrix};
    use crate::basis::{Update, gaussian_matrix};
    use crate::engine::{Block, CpuEngine, Engine, Pairs, UpdateBlock};

    #[test]
    fn the_numbers_are_those_of_a_block_to_the_last_bit() {
        let cells = [(2, 1), (1, 1), (8, 4), (16, 16)];
        let mut scratch = PackedScratch::default();
        for (d, ranks, other) in [
            (1024, vec![16], 16),
            (70, vec![1, 17, 64], 5),
            (513, vec![8; 60], 33),
            (130, vec![100, 3], 130),
            (40_000, vec![2], 3),
        ] {
            let bases: Vec<Basis> =
                (0..).zip(&ranks).map(|(seed, &r)| Basis::gaussian(r, d, seed).unwrap()).collect();
            let bases: Vec<&Basis> = bases.iter().collect();
            let other = Basis::gaussian(other, d, 77).unwrap();
            let block = Block { a: &bases, b: &[&other], pairs: Pairs::All, cells: &cells };
            let bits = |stats: &BlockStats| -> Vec<u32> {
                let numbers = stats.pairs().flat_map(|pair| [pair.phi, pair.sums].concat());
                numbers.map(f32::to_bits).collect()
            };
            for precision in [Precision::F32, Precision::F16] {
                let expected = CpuEngine::with_precision(precision).pair_stats(&block).unwrap();
                let found = PackedBases::new(&bases, precision).stats(&other, &cells, &mut scratch).unwrap();
                assert_eq!(bits(&found), bits(&expected), "{d} {ranks:?} {precision:?}");
            }
        }
    }

    #[test]
    fn the_cosines_are_those_of_a_block_to_the_last_bit() {
        let of = |r: usize, seed: u64| {
            let [a, b] = [gaussian_matrix(r, 300, seed), gaussian_matrix(90, r, seed + 50)]
                .map(|matrix| Matrix { dtype: Dtype::F32, ..matrix });
            UpdateFactors::of(Update { a: &a, b: &b, scaling: 1.0 }).unwrap()
        };
        let updates: Vec<UpdateFactors> = [3, 16, 40].iter().map(|&r| of(r, r as u64)).collect();
        let (updates, other): (Vec<&UpdateFactors>, _) = (updates.iter().collect(), of(9, 9));
        let block = UpdateBlock { a: &updates, b: &[&other], pairs: Pairs::All };
        let expected = CpuEngine::new().update_cosines(&block).unwrap().values;
        let joined: Vec<&Basis> = updates.iter().map(|update| update.joined()).collect();
        let packed = PackedBases::new(&joined, Precision::F32);
        assert_eq!(packed.cosines(&other, &mut PackedScratch::default()).unwrap(), expected);
    }
}
