//! The K types: 256 numbers in a block, in groups of 16 or 32 with scales of a few bits each, and one f16 for all of these.

use std::iter::repeat_n;

use super::{fill, half, nibbles};

/// Groups of 32 numbers with `shift` bits in each of 32 bytes: the groups of a byte follow each other.
fn crumbs<'a>(bytes: &'a [u8], shifts: &'static [u32]) -> impl Iterator<Item = u8> + use<'a> {
    bytes.chunks_exact(32).flat_map(move |bytes| shifted(bytes, shifts))
}

/// All bytes shifted by the first number of bits, then by the next.
fn shifted<'a>(bytes: &'a [u8], shifts: &'static [u32]) -> impl Iterator<Item = u8> + use<'a> {
    shifts.iter().flat_map(move |shift| bytes.iter().map(move |byte| byte >> shift))
}

/// Each value for the `n` numbers of its group.
fn for_each_of<T: Copy>(n: usize, values: impl Iterator<Item = T>) -> impl Iterator<Item = T> {
    values.flat_map(move |value| repeat_n(value, n))
}

const TWO_BITS: &[u32] = &[0, 2, 4, 6];
const FOUR_BITS: &[u32] = &[0, 4];
const ONE_BIT: &[u32] = &[0, 1, 2, 3, 4, 5, 6, 7];

/// 16 scales with 16 offsets, 64 bytes of two bits, d and its offset.
pub(super) fn q2(block: &[u8; 84], to: &mut [f32]) {
    let (d, d_min) = (half([block[80], block[81]]), half([block[82], block[83]]));
    let scales = for_each_of(16, block[..16].iter());
    let numbers = crumbs(&block[16..80], TWO_BITS)
        .zip(scales)
        .map(|(q, scale)| (d * f32::from(scale & 15)) * f32::from(q & 3) - d_min * f32::from(scale >> 4));
    fill(to, numbers);
}

/// 32 bytes of high bits, 64 of two low bits, 16 scales of six bits in 12 bytes, d.
pub(super) fn q3(block: &[u8; 110], to: &mut [f32]) {
    let d = half([block[108], block[109]]);
    // Four low bits of each scale, then two high ones.
    let scales = nibbles(&block[96..104]).zip(shifted(&block[104..108], TWO_BITS));
    let scales = scales.map(|(low, high)| d * (f32::from(low | (high & 3) << 4) - 32.0));
    let (low, high) = (crumbs(&block[32..96], TWO_BITS), crumbs(&block[..32], ONE_BIT));
    let numbers = low.zip(high).zip(for_each_of(16, scales)).map(|((low, high), scale)| {
        // The offset is taken off where the high bit is not set.
        scale * (f32::from(low & 3) - f32::from(4 * (!high & 1)))
    });
    fill(to, numbers);
}

/// 8 scales and 8 offsets of six bits in three times 4 bytes, times d and its offset.
fn scales_and_offsets(
    [d, d_min]: [f32; 2],
    [scales, offsets, rest]: [&[u8]; 3],
) -> impl Iterator<Item = (f32, f32)> {
    let first = scales.iter().zip(offsets).map(|(scale, offset)| (scale & 63, offset & 63));
    let last = scales
        .iter()
        .zip(offsets)
        .zip(rest)
        .map(|((scale, offset), rest)| (rest & 15 | scale >> 2 & 48, rest >> 4 | offset >> 2 & 48));
    first.chain(last).map(move |(scale, offset)| (d * f32::from(scale), d_min * f32::from(offset)))
}

pub(super) fn q4(block: &[u8; 144], to: &mut [f32]) {
    let d = [half([block[0], block[1]]), half([block[2], block[3]])];
    let groups = scales_and_offsets(d, [&block[4..8], &block[8..12], &block[12..16]]);
    let numbers = crumbs(&block[16..], FOUR_BITS).zip(for_each_of(32, groups));
    fill(to, numbers.map(|(q, (d, offset))| d * f32::from(q & 15) - offset));
}

pub(super) fn q5(block: &[u8; 176], to: &mut [f32]) {
    let d = [half([block[0], block[1]]), half([block[2], block[3]])];
    let groups = scales_and_offsets(d, [&block[4..8], &block[8..12], &block[12..16]]);
    let (low, high) = (crumbs(&block[48..], FOUR_BITS), crumbs(&block[16..48], ONE_BIT));
    let numbers = low
        .zip(high)
        .zip(for_each_of(32, groups))
        .map(|((low, high), (d, offset))| d * f32::from(low & 15 | (high & 1) << 4) - offset);
    fill(to, numbers);
}

/// 128 bytes of four low bits, 64 of two high bits, 16 scales, d.
pub(super) fn q6(block: &[u8; 210], to: &mut [f32]) {
    let d = half([block[208], block[209]]);
    // Four bits of 64 bytes at a time, two of 32.
    let low = block[..128].chunks_exact(64).flat_map(nibbles);
    let high = crumbs(&block[128..192], TWO_BITS);
    let scales = for_each_of(16, block[192..208].iter());
    let numbers = low.zip(high).zip(scales).map(|((low, high), &scale)| {
        (d * f32::from(scale as i8)) * (f32::from(low | (high & 3) << 4) - 32.0)
    });
    fill(to, numbers);
}

/// An f32, 256 bytes, and sums that only products need.
pub(super) fn q8(block: &[u8; 292], to: &mut [f32]) {
    let d = f32::from_le_bytes([block[0], block[1], block[2], block[3]]);
    fill(to, block[4..260].iter().map(|&q| d * f32::from(q as i8)));
}
