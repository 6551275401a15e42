//! Stored numbers to f64.

use half::{bf16, f16};
use pulp::{Arch, Simd, WithSimd};

use crate::adapter::Dtype;

impl Dtype {
    /// The type with this name in safetensors, if factors can have it.
    pub(super) fn from_safetensors(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dtype| dtype.to_string() == name)
    }
}

/// The types that factors can have, as messages list them.
pub(super) const NAMES: &str = "F64, F32, F16, BF16 or one of F8";

/// Those of GGUF.
pub(super) const GGUF_NAMES: &str = "F64, F32, F16, BF16, Q4_0 to Q8_0, Q2_K to Q8_K or IQ4_NL";

/// Little-endian numbers, widened without rounding. An incomplete last number is left out.
pub(super) fn widen(bytes: &[u8], dtype: Dtype) -> Vec<f64> {
    match dtype {
        Dtype::F64 => bytes.as_chunks().0.iter().map(|raw| f64::from_le_bytes(*raw)).collect(),
        Dtype::F32 | Dtype::Quantised(_) => {
            bytes.as_chunks().0.iter().map(|raw| f32::from_le_bytes(*raw).into()).collect()
        }
        Dtype::I32 => bytes.as_chunks().0.iter().map(|raw| i32::from_le_bytes(*raw).into()).collect(),
        Dtype::I64 => bytes.as_chunks().0.iter().map(|raw| i64::from_le_bytes(*raw) as f64).collect(),
        Dtype::F16 => Arch::new().dispatch(Halves(bytes.as_chunks().0)),
        Dtype::Bf16 => bytes.as_chunks().0.iter().map(|raw| bf16::from_le_bytes(*raw).into()).collect(),
        Dtype::F8E4m3 | Dtype::F8E5m2 | Dtype::F8E4m3Fnuz | Dtype::F8E5m2Fnuz => {
            let table: Vec<f64> = (0..=u8::MAX).map(|bits| eighth(bits, dtype)).collect();
            bytes.iter().filter_map(|&bits| table.get(usize::from(bits)).copied()).collect()
        }
    }
}

/// The number that these eight bits are.
fn eighth(bits: u8, dtype: Dtype) -> f64 {
    let (mantissa_bits, least_exponent) = dtype.precision();
    let magnitude = bits & 0x7f;
    let (exponent, fraction) =
        (i32::from(magnitude >> mantissa_bits), i32::from(magnitude & ((1 << mantissa_bits) - 1)));
    let (top_exponent, top_fraction) = ((1 << (7 - mantissa_bits)) - 1, (1 << mantissa_bits) - 1);
    let special = match dtype {
        // What would be -0 is the only NaN.
        Dtype::F8E4m3Fnuz | Dtype::F8E5m2Fnuz => (bits == 0x80).then_some(f64::NAN),
        Dtype::F8E4m3 => ((exponent, fraction) == (top_exponent, top_fraction)).then_some(f64::NAN),
        _ => (exponent == top_exponent).then_some(if fraction == 0 { f64::INFINITY } else { f64::NAN }),
    };
    let spacing = 2f64.powi(least_exponent + (exponent - 1).max(0));
    let whole = if exponent == 0 { fraction } else { fraction + (1 << mantissa_bits) };
    special.unwrap_or(f64::from(whole) * spacing).copysign(if bits & 0x80 == 0 { 1.0 } else { -1.0 })
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
        Dtype::F32 | Dtype::Quantised(_) => {
            bytes.first_chunk().map_or(f64::NAN, |raw| f32::from_le_bytes(*raw).into())
        }
        Dtype::I32 => bytes.first_chunk().map_or(f64::NAN, |raw| i32::from_le_bytes(*raw).into()),
        Dtype::I64 => bytes.first_chunk().map_or(f64::NAN, |raw| i64::from_le_bytes(*raw) as f64),
        Dtype::F16 => bytes.first_chunk().map_or(f64::NAN, |raw| f16::from_le_bytes(*raw).into()),
        Dtype::Bf16 => bytes.first_chunk().map_or(f64::NAN, |raw| bf16::from_le_bytes(*raw).into()),
        Dtype::F8E4m3 | Dtype::F8E5m2 | Dtype::F8E4m3Fnuz | Dtype::F8E5m2Fnuz => {
            bytes.first().map_or(f64::NAN, |&bits| eighth(bits, dtype))
        }
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
            for dtype in Dtype::ALL {
                same(&bytes, dtype);
            }
        }
        for dtype in Dtype::ALL {
            assert!(number(&[0; 8][..dtype.size_bytes() - 1], dtype).is_nan());
        }
    }

    /// Largest, smallest normal and smallest subnormal of the OCP 8-bit formats and of the FNUZ ones (arXiv 2209.05433 and
    /// 2206.02915), and what torch gives for some other bits.
    #[test]
    fn widens_eight_bits_as_the_formats_define_them() {
        let one = |bits: u8, dtype: Dtype| widen(&[bits], dtype)[0];
        for (dtype, largest, normal, subnormal) in [
            (Dtype::F8E4m3, (0x7e, 448.0), (0x08, -6), -9),
            (Dtype::F8E5m2, (0x7b, 57344.0), (0x04, -14), -16),
            (Dtype::F8E4m3Fnuz, (0x7f, 240.0), (0x08, -7), -10),
            (Dtype::F8E5m2Fnuz, (0x7f, 57344.0), (0x04, -15), -17),
        ] {
            assert_eq!(one(largest.0, dtype), largest.1, "{dtype}");
            assert_eq!(one(largest.0 | 0x80, dtype), -largest.1, "{dtype}");
            assert_eq!(one(normal.0, dtype), 2f64.powi(normal.1), "{dtype}");
            assert_eq!(one(1, dtype), 2f64.powi(subnormal), "{dtype}");
            assert_eq!(one(0, dtype), 0.0, "{dtype}");
            let mut rising = (0..=largest.0).map(|bits| one(bits, dtype));
            assert!(rising.clone().zip(rising.by_ref().skip(1)).all(|(low, high)| low < high), "{dtype}");
        }
        assert_eq!((one(0x38, Dtype::F8E4m3), one(0xb9, Dtype::F8E4m3)), (1.0, -1.125));
        assert_eq!((one(0x3c, Dtype::F8E5m2), one(0x3d, Dtype::F8E5m2)), (1.0, 1.25));
        assert_eq!((one(0x40, Dtype::F8E4m3Fnuz), one(0x40, Dtype::F8E5m2Fnuz)), (1.0, 1.0));
        for (dtype, bits) in
            [(Dtype::F8E4m3, 0x7f), (Dtype::F8E4m3, 0xff), (Dtype::F8E5m2, 0x7d), (Dtype::F8E4m3Fnuz, 0x80)]
        {
            assert!(one(bits, dtype).is_nan(), "{dtype} {bits:#x}");
        }
        assert_eq!((one(0x7c, Dtype::F8E5m2), one(0xfc, Dtype::F8E5m2)), (f64::INFINITY, f64::NEG_INFINITY));
    }

    #[test]
    fn keeps_infinities_and_nan_for_the_reader_to_refuse() {
        assert_eq!(widen(&[0x00, 0x7c], Dtype::F16), [f64::INFINITY]);
        assert!(widen(&[0xc0, 0x7f], Dtype::Bf16)[0].is_nan());
    }

    #[test]
    fn knows_the_safetensors_names() {
        assert_eq!(Dtype::from_safetensors("BF16"), Some(Dtype::Bf16));
        assert_eq!(Dtype::from_safetensors("F8_E4M3"), Some(Dtype::F8E4m3));
        assert_eq!(Dtype::from_safetensors("F8_E8M0"), None);
    }
}
