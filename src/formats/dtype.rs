//! Stored numbers to f64.

use half::{bf16, f16};
use pulp::{Arch, Simd, WithSimd};

use crate::adapter::Dtype;

impl Dtype {
    /// The type with this name in safetensors, if factors can have it.
    pub(super) fn from_safetensors(name: &str) -> Option<Self> {
        [Self::F64, Self::F32, Self::F16, Self::Bf16].into_iter().find(|dtype| dtype.to_string() == name)
    }
}

/// Little-endian numbers, widened without rounding. An incomplete last number is left out.
pub(super) fn widen(bytes: &[u8], dtype: Dtype) -> Vec<f64> {
    match dtype {
        Dtype::F64 => bytes.as_chunks().0.iter().map(|raw| f64::from_le_bytes(*raw)).collect(),
        Dtype::F32 => bytes.as_chunks().0.iter().map(|raw| f32::from_le_bytes(*raw).into()).collect(),
        Dtype::F16 => Arch::new().dispatch(Halves(bytes.as_chunks().0)),
        Dtype::Bf16 => bytes.as_chunks().0.iter().map(|raw| bf16::from_le_bytes(*raw).into()).collect(),
    }
}

/// f16 by integer operations and one product, which vectorise.
struct Halves<'a>(&'a [[u8; 2]]);

impl WithSimd for Halves<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f64> {
        let mut wide = vec![0.0; self.0.len()];
        for (wide, raw) in wide.iter_mut().zip(self.0) {
            let half = u64::from(u16::from_le_bytes(*raw));
            // Exponent and fraction go where f64 has them, and the product corrects the bias: exact, down to subnormals.
            let magnitude = f64::from_bits((half & 0x7fff) << 42) * f64::from_bits((1023 + 1023 - 15) << 52);
            let special = if half & 0x7c00 == 0x7c00 { 0x7ff << 52 } else { 0 };
            *wide = f64::from_bits(magnitude.to_bits() | special | (half & 0x8000) << 48);
        }
        wide
    }
}

/// The number at the start of these little-endian bytes; NaN if they are too few.
pub(super) fn number(bytes: &[u8], dtype: Dtype) -> f64 {
    match dtype {
        Dtype::F64 => bytes.first_chunk().map_or(f64::NAN, |raw| f64::from_le_bytes(*raw)),
        Dtype::F32 => bytes.first_chunk().map_or(f64::NAN, |raw| f32::from_le_bytes(*raw).into()),
        Dtype::F16 => bytes.first_chunk().map_or(f64::NAN, |raw| f16::from_le_bytes(*raw).into()),
        Dtype::Bf16 => bytes.first_chunk().map_or(f64::NAN, |raw| bf16::from_le_bytes(*raw).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widens_each_type_exactly_down_to_subnormals() {
        assert_eq!(widen(&(-0.1f64).to_le_bytes(), Dtype::F64), [-0.1]);
        assert_eq!(widen(&0x0000_0001u32.to_le_bytes(), Dtype::F32), [2f64.powi(-149)]);
        assert_eq!(widen(&[0x01, 0x00, 0x00, 0xc0], Dtype::F16), [2f64.powi(-24), -2.0]);
        assert_eq!(widen(&[0x01, 0x00, 0x80, 0x3f], Dtype::Bf16), [2f64.powi(-133), 1.0]);
    }

    #[test]
    fn widens_every_f16_as_it_is() {
        for bits in 0..=u16::MAX {
            let (wide, exact) = (widen(&bits.to_le_bytes(), Dtype::F16)[0], f16::from_bits(bits).to_f64());
            assert!(
                wide.to_bits() == exact.to_bits() || wide.is_nan() && exact.is_nan(),
                "{bits:#x}: {wide}"
            );
        }
    }

    #[test]
    fn one_number_is_widened_as_many_are() {
        let same = |bytes: &[u8], dtype: Dtype| {
            let (one, many) = (number(bytes, dtype), widen(bytes, dtype)[0]);
            assert!(one.to_bits() == many.to_bits() || one.is_nan() && many.is_nan(), "{dtype} {bytes:?}");
        };
        for bits in 0..=u16::MAX {
            let bytes = [bits.to_le_bytes(), [0x12, 0x34], [0x56, 0x78], (!bits).to_le_bytes()].concat();
            for dtype in [Dtype::F64, Dtype::F32, Dtype::F16, Dtype::Bf16] {
                same(&bytes, dtype);
            }
        }
        for dtype in [Dtype::F64, Dtype::F32, Dtype::F16, Dtype::Bf16] {
            assert!(number(&[0; 8][..dtype.size_bytes() - 1], dtype).is_nan());
        }
    }

    #[test]
    fn keeps_infinities_and_nan_for_the_reader_to_refuse() {
        assert_eq!(widen(&[0x00, 0x7c], Dtype::F16), [f64::INFINITY]);
        assert!(widen(&[0xc0, 0x7f], Dtype::Bf16)[0].is_nan());
    }

    #[test]
    fn knows_the_safetensors_names() {
        assert_eq!(Dtype::from_safetensors("BF16"), Some(Dtype::Bf16));
        assert_eq!(Dtype::from_safetensors("F8_E4M3"), None);
    }
}
