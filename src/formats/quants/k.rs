//! The K types: 256 numbers in a block, in groups of 16 or 32 with scales of a few bits each, and one f16 for all of these.

use super::{fill, half_at};

/// Groups of 32 numbers with `shift` bits in each of 32 bytes: the groups of a byte follow each other.
fn crumbs<'a>(bytes: &'a [u8], shifts: &'static [u32]) -> impl Iterator<Item = u8> + use<'a> {
    bytes.chunks_exact(32).flat_map(move |bytes| {
        shifts.iter().flat_map(move |shift| bytes.iter().map(move |byte| byte >> shift))
    })
}

const TWO_BITS: &[u32] = &[0, 2, 4, 6];
const FOUR_BITS: &[u32] = &[0, 4];
const ONE_BIT: &[u32] = &[0, 1, 2, 3, 4, 5, 6, 7];

/// 16 scales with 16 offsets, 64 bytes of two bits, d and its offset.
pub(super) fn q2(block: &[u8], to: &mut [f32]) {
    let (scales, qs) = (&block[..16], &block[16..80]);
    let (d, d_min) = (half_at(block, 80), half_at(block, 82));
    let numbers = crumbs(qs, TWO_BITS).enumerate().map(|(at, q)| {
        let scale = scales[at / 16];
        (d * f32::from(scale & 15)) * f32::from(q & 3) - d_min * f32::from(scale >> 4)
    });
    fill(to, numbers);
}

/// 32 bytes of high bits, 64 of two low bits, 16 scales of six bits in 12 bytes, d.
pub(super) fn q3(block: &[u8], to: &mut [f32]) {
    let (high, low, packed, d) = (&block[..32], &block[32..96], &block[96..108], half_at(block, 108));
    let scale = |group: usize| {
        let low = packed[group % 8] >> (4 * (group / 8)) & 15;
        let high = packed[8 + group % 4] >> (2 * (group / 4)) & 3;
        d * (f32::from(low | high << 4) - 32.0)
    };
    let scales: [f32; 16] = std::array::from_fn(scale);
    let numbers = crumbs(low, TWO_BITS).zip(crumbs(high, ONE_BIT)).enumerate().map(|(at, (low, high))| {
        // The offset is taken off where the high bit is not set.
        scales[at / 16] * (f32::from(low & 3) - f32::from(4 * (!high & 1)))
    });
    fill(to, numbers);
}

/// d and its offset, 8 scales and 8 offsets of six bits in 12 bytes.
fn scales_and_offsets(block: &[u8]) -> [(f32, f32); 8] {
    let (d, d_min, packed) = (half_at(block, 0), half_at(block, 2), &block[4..16]);
    std::array::from_fn(|group| {
        let at = group % 4;
        let (scale, offset) = match group {
            0..4 => (packed[at] & 63, packed[4 + at] & 63),
            _ => (packed[8 + at] & 15 | packed[at] >> 2 & 48, packed[8 + at] >> 4 | packed[4 + at] >> 2 & 48),
        };
        (d * f32::from(scale), d_min * f32::from(offset))
    })
}

pub(super) fn q4(block: &[u8], to: &mut [f32]) {
    let groups = scales_and_offsets(block);
    let numbers = crumbs(&block[16..], FOUR_BITS).enumerate().map(|(at, q)| {
        let (d, offset) = groups[at / 32];
        d * f32::from(q & 15) - offset
    });
    fill(to, numbers);
}

pub(super) fn q5(block: &[u8], to: &mut [f32]) {
    let groups = scales_and_offsets(block);
    let (high, low) = (&block[16..48], &block[48..]);
    let numbers = crumbs(low, FOUR_BITS).zip(crumbs(high, ONE_BIT)).enumerate().map(|(at, (low, high))| {
        let (d, offset) = groups[at / 32];
        d * f32::from(low & 15 | (high & 1) << 4) - offset
    });
    fill(to, numbers);
}

/// 128 bytes of four low bits, 64 of two high bits, 16 scales, d.
pub(super) fn q6(block: &[u8], to: &mut [f32]) {
    let (low, high, scales, d) = (&block[..128], &block[128..192], &block[192..208], half_at(block, 208));
    // Four bits of 64 bytes at a time, two of 32.
    let low = low.chunks_exact(64).flat_map(|bytes| {
        FOUR_BITS.iter().flat_map(move |shift| bytes.iter().map(move |byte| byte >> shift & 15))
    });
    let numbers = low.zip(crumbs(high, TWO_BITS)).enumerate().map(|(at, (low, high))| {
        (d * f32::from(scales[at / 16] as i8)) * (f32::from(low | (high & 3) << 4) - 32.0)
    });
    fill(to, numbers);
}

/// An f32, 256 bytes, and sums that only products need.
pub(super) fn q8(block: &[u8], to: &mut [f32]) {
    let d = f32::from_le_bytes([block[0], block[1], block[2], block[3]]);
    fill(to, block[4..260].iter().map(|&q| d * f32::from(q as i8)));
}
