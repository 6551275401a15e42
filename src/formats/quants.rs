//! Quantised blocks of GGUF files to f32, bit for bit as gguf-py's `dequantize` gives them: its operations in its order, each
//! rounded to f32.

mod k;

use half::f16;

use crate::adapter::Quant;

/// The numbers of whole blocks, as many as fill `to`; bytes of an incomplete last block are left out.
pub(super) fn dequantise(quant: Quant, blocks: &[u8], to: &mut [f32]) {
    match quant {
        Quant::Q4_0 => each(quant, q4_0, blocks, to),
        Quant::Q4_1 => each(quant, q4_1, blocks, to),
        Quant::Q5_0 => each(quant, q5_0, blocks, to),
        Quant::Q5_1 => each(quant, q5_1, blocks, to),
        Quant::Q8_0 => each(quant, q8_0, blocks, to),
        Quant::Iq4Nl => each(quant, iq4_nl, blocks, to),
        Quant::Q2K => each(quant, k::q2, blocks, to),
        Quant::Q3K => each(quant, k::q3, blocks, to),
        Quant::Q4K => each(quant, k::q4, blocks, to),
        Quant::Q5K => each(quant, k::q5, blocks, to),
        Quant::Q6K => each(quant, k::q6, blocks, to),
        Quant::Q8K => each(quant, k::q8, blocks, to),
    }
}

/// One block of `BYTES` bytes after the other.
fn each<const BYTES: usize>(quant: Quant, one: fn(&[u8; BYTES], &mut [f32]), blocks: &[u8], to: &mut [f32]) {
    debug_assert_eq!(quant.block_bytes(), BYTES, "{quant:?}");
    let blocks = blocks.as_chunks::<BYTES>().0.iter();
    blocks.zip(to.chunks_exact_mut(quant.block_numbers())).for_each(|(block, to)| one(block, to));
}

/// An f16 of two bytes.
fn half(bytes: [u8; 2]) -> f32 {
    f16::from_le_bytes(bytes).to_f32()
}

/// Two numbers of four bits in each byte: the first half of a block's numbers in the low bits, the second in the high ones.
fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    bytes.iter().map(|byte| byte & 15).chain(bytes.iter().map(|byte| byte >> 4))
}

/// A fifth bit for each of those, from four bytes.
fn with_fifth(bits: [u8; 4], low: &[u8]) -> impl Iterator<Item = u8> {
    let bits = u32::from_le_bytes(bits);
    nibbles(low).enumerate().map(move |(at, low)| low | ((bits >> at & 1) << 4) as u8)
}

fn fill(to: &mut [f32], numbers: impl Iterator<Item = f32>) {
    to.iter_mut().zip(numbers).for_each(|(to, number)| *to = number);
}

fn q4_0(block: &[u8; 18], to: &mut [f32]) {
    let d = half([block[0], block[1]]);
    fill(to, nibbles(&block[2..]).map(|q| d * (f32::from(q) - 8.0)));
}

fn q4_1(block: &[u8; 20], to: &mut [f32]) {
    let (d, m) = (half([block[0], block[1]]), half([block[2], block[3]]));
    fill(to, nibbles(&block[4..]).map(|q| d * f32::from(q) + m));
}

fn q5_0(block: &[u8; 22], to: &mut [f32]) {
    let d = half([block[0], block[1]]);
    fill(
        to,
        with_fifth([block[2], block[3], block[4], block[5]], &block[6..]).map(|q| d * (f32::from(q) - 16.0)),
    );
}

fn q5_1(block: &[u8; 24], to: &mut [f32]) {
    let (d, m) = (half([block[0], block[1]]), half([block[2], block[3]]));
    fill(to, with_fifth([block[4], block[5], block[6], block[7]], &block[8..]).map(|q| d * f32::from(q) + m));
}

fn q8_0(block: &[u8; 34], to: &mut [f32]) {
    let d = half([block[0], block[1]]);
    fill(to, block[2..].iter().map(|&q| f32::from(q as i8) * d));
}

/// The numbers that four bits stand for.
const IQ4_NL: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

fn iq4_nl(block: &[u8; 18], to: &mut [f32]) {
    let d = half([block[0], block[1]]);
    fill(
        to,
        nibbles(&block[2..]).map(|q| d * IQ4_NL.get(usize::from(q)).map_or(0.0, |&number| number.into())),
    );
}
