//! How many columns a dispatch takes, and which of them.

use bytemuck::{Pod, Zeroable};

/// The most columns of one dispatch.
///
/// Some drivers end the loops of an invocation after 65,535 steps in all and give what they have by then (Mesa's llvmpipe: a
/// limit against shaders that hang). So many columns take a third of that, or half where rows have two parts, even if the
/// driver unrolls no loop. Longer rows take several dispatches, whose products are added up in groups of [`N_CHUNKS`], and the
/// groups with each other, so that rounding stays about what it is within one chunk. With slices of 128 columns that is at most
/// ¾·(128 + 96)·2⁻²⁴ of φ, 1.0e-5, for products of one sign that all round one way.
pub const CHUNK: usize = 12_288;

/// Chunks whose products are added up before their sum is added to that of the others.
pub const N_CHUNKS: usize = 16;

/// Which columns a dispatch takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Chunk {
    /// Counted from 0.
    pub index: u32,
    /// Whether it is the last one; else the products go to memory.
    pub is_last: u32,
}

impl Chunk {
    /// The dispatches for rows of up to `d` numbers, in their order.
    pub fn all(d: usize) -> impl ExactSizeIterator<Item = Self> {
        let n = d.div_ceil(CHUNK).max(1) as u32;
        (0..n).map(move |index| Self { index, is_last: u32::from(index + 1 == n) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{SLICE, STEP};
    use super::*;

    /// What llvmpipe lets an invocation run through.
    const MOST_STEPS: usize = 65_535;

    #[test]
    fn chunks_cover_every_column_and_only_the_last_one_ends_the_work() {
        for (d, n) in [(1, 1), (CHUNK, 1), (CHUNK + 1, 2), (3 * CHUNK, 3), (33_554_432, 2731)] {
            let chunks: Vec<Chunk> = Chunk::all(d).collect();
            assert_eq!(chunks.len(), n, "{d}");
            assert!(chunks.iter().enumerate().all(|(at, chunk)| chunk.index as usize == at));
            let last: Vec<u32> = chunks.iter().map(|chunk| chunk.is_last).collect();
            assert_eq!(last.iter().sum::<u32>(), 1);
            assert_eq!(last.last(), Some(&1));
        }
    }

    #[test]
    fn a_chunk_stays_under_the_steps_of_a_driver_that_unrolls_nothing() {
        // Of one staged step: two loads of four vectors each, and its columns.
        let a_step = 1 + (1 + 2 * 4) + STEP;
        assert!(CHUNK / STEP * a_step + CHUNK / SLICE * 5 < MOST_STEPS / 2);
    }
}
