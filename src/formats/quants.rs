//! Quantised blocks of GGUF files to f32, bit for bit as gguf-py's `dequantize` gives them: its operations in its order, each
//! rounded to f32.

mod k;

use half::f16;

use crate::adapter::Quant;

/// The numbers of whole blocks, as many as fill `to`; bytes of an incomplete last block are left out.
pub(super) fn dequantise(quant: Quant, blocks: &[u8], to: &mut [f32]) {
    let one = match quant {
        Quant::Q4_0 => q4_0,
        Quant::Q4_1 => q4_1,
        Quant::Q5_0 => q5_0,
        Quant::Q5_1 => q5_1,
        Quant::Q8_0 => q8_0,
        Quant::Iq4Nl => iq4_nl,
        Quant::Q2K => k::q2,
        Quant::Q3K => k::q3,
        Quant::Q4K => k::q4,
        Quant::Q5K => k::q5,
        Quant::Q6K => k::q6,
        Quant::Q8K => k::q8,
    };
    let blocks = blocks.chunks_exact(quant.block_bytes());
    blocks.zip(to.chunks_exact_mut(quant.block_numbers())).for_each(|(block, to)| one(block, to));
}

/// The f16 at this place of a block.
fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Two numbers of four bits in each byte: the first half of a block's numbers in the low bits, the second in the high ones.
fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    bytes.iter().map(|byte| byte & 15).chain(bytes.iter().map(|byte| byte >> 4))
}

/// A fifth bit for each of those, from four bytes.
fn with_fifth<'a>(bits: &[u8], low: &'a [u8]) -> impl Iterator<Item = u8> + use<'a> {
    let bits = u32::from_le_bytes([bits[0], bits[1], bits[2], bits[3]]);
    nibbles(low).enumerate().map(move |(at, low)| low | ((bits >> at & 1) << 4) as u8)
}

fn fill(to: &mut [f32], numbers: impl Iterator<Item = f32>) {
    to.iter_mut().zip(numbers).for_each(|(to, number)| *to = number);
}

fn q4_0(block: &[u8], to: &mut [f32]) {
    let d = half_at(block, 0);
    fill(to, nibbles(&block[2..]).map(|q| d * (f32::from(q) - 8.0)));
}

fn q4_1(block: &[u8], to: &mut [f32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    fill(to, nibbles(&block[4..]).map(|q| d * f32::from(q) + m));
}

fn q5_0(block: &[u8], to: &mut [f32]) {
    let d = half_at(block, 0);
    fill(to, with_fifth(&block[2..6], &block[6..]).map(|q| d * (f32::from(q) - 16.0)));
}

fn q5_1(block: &[u8], to: &mut [f32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    fill(to, with_fifth(&block[4..8], &block[8..]).map(|q| d * f32::from(q) + m));
}

fn q8_0(block: &[u8], to: &mut [f32]) {
    let d = half_at(block, 0);
    fill(to, block[2..].iter().map(|&q| f32::from(q as i8) * d));
}

/// The numbers that four bits stand for.
const IQ4_NL: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

fn iq4_nl(block: &[u8], to: &mut [f32]) {
    let d = half_at(block, 0);
    fill(to, nibbles(&block[2..]).map(|q| d * f32::from(IQ4_NL[usize::from(q)])));
}
