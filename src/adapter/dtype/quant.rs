//! The quantised types of GGUF files: numbers in blocks, each block with one scale or several.

/// A quantised type of GGUF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is what ggml calls so")]
pub enum Quant {
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
    Q8K,
    Iq4Nl,
}

/// What there is to know of a type.
struct Facts {
    name: &'static str,
    /// Numbers and bytes of a block.
    block: [usize; 2],
    /// How many numbers share a scale.
    n_scaled: usize,
    /// The largest magnitude of such numbers, in steps between neighbouring numbers.
    steps: f64,
}

impl Quant {
    /// Every type.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 12] = [
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2K,
        Self::Q3K,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
        Self::Q8K,
        Self::Iq4Nl,
    ];

    /// What ggml calls it, such as `Q4_K`.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// Numbers in a block; rows are whole numbers of blocks.
    pub fn block_numbers(self) -> usize {
        self.facts().block[0]
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        self.facts().block[1]
    }

    /// How many numbers share a scale, and their largest magnitude in steps between neighbouring numbers.
    pub(crate) fn steps(self) -> (usize, f64) {
        let Facts { n_scaled, steps, .. } = self.facts();
        (n_scaled, steps)
    }

    /// Types with an offset (`_1`, and K but for Q3, Q6 and Q8) have all their steps between the least and the largest number, which
    /// are taken to be on both sides of 0. Those of IQ4_NL differ: 16 is their mean, of 127.
    fn facts(self) -> Facts {
        let (name, block, n_scaled, steps) = match self {
            Self::Q4_0 => ("Q4_0", [32, 18], 32, 8.0),
            Self::Q4_1 => ("Q4_1", [32, 20], 32, 7.5),
            Self::Q5_0 => ("Q5_0", [32, 22], 32, 16.0),
            Self::Q5_1 => ("Q5_1", [32, 24], 32, 15.5),
            Self::Q8_0 => ("Q8_0", [32, 34], 32, 127.0),
            Self::Q2K => ("Q2_K", [256, 84], 16, 1.5),
            Self::Q3K => ("Q3_K", [256, 110], 16, 4.0),
            Self::Q4K => ("Q4_K", [256, 144], 32, 7.5),
            Self::Q5K => ("Q5_K", [256, 176], 32, 15.5),
            Self::Q6K => ("Q6_K", [256, 210], 16, 32.0),
            Self::Q8K => ("Q8_K", [256, 292], 256, 127.0),
            Self::Iq4Nl => ("IQ4_NL", [32, 18], 32, 127.0 / 16.0),
        };
        Facts { name, block, n_scaled, steps }
    }
}
