//! Updates that are made of the weight that they change, or that have its size.

use super::one::One;
use super::rotations::block_size;
use crate::adapter::Method;
use crate::adapter::by_method::{Cayley, How};
use crate::formats::lenient::Field;
use crate::formats::not_read::NotRead;
use crate::formats::schemes::{Pair, Part, ScaleRank};

/// Terms of a series, at most: each takes as long as a product of the blocks.
const MAX_TERMS: f64 = 64.0;

pub(super) const IA3: &str = "(IA)³, whose ΔW is made of the base model's weights";

/// Whether so many factors of n blocks of this size are a butterfly: the last of them mixes 2^(factors − 1) blocks.
pub(super) fn is_butterfly(n_factors: usize, n: usize, block: usize) -> bool {
    let mixed = u32::try_from(n_factors).ok().and_then(|n| 1usize.checked_shl(n.checked_sub(1)?));
    n_factors == 1
        || block.is_multiple_of(2) && mixed.is_some_and(|mixed| mixed > 0 && n.is_multiple_of(mixed))
}

impl One<'_> {
    pub(super) fn shards(&self) -> Result<Pair, NotRead> {
        let block = self.claimed(Part::MissBlock)?;
        let stored = block.stored.tensor.shape.clone();
        let block = self.factor(block)?;
        let weight = self.weight("MiSS, whose file lacks the input sizes of its layers")?;
        let shape = [weight.rows, weight.cols];
        match stored.as_slice() {
            [rank, cols] => {
                let (rank, cols) = (*rank as usize, *cols as usize);
                if cols > shape[0] || !shape[0].is_multiple_of(cols) || rank > shape[1] {
                    return Err(self.other_shape(&weight, [cols, rank]));
                }
                self.made(Method::Miss, How::Shards, vec![block], None, shape, rank.min(cols))
            }
            [n, rank, other] if rank == other => {
                let rank = *rank as usize;
                if Some(shape[0]) != rank.checked_mul(*n as usize) || !shape[1].is_multiple_of(rank) {
                    return Err(self.other_shape(&weight, [*n as usize, rank]));
                }
                let full = shape[0].min(shape[1]);
                self.made(Method::Miss, How::Batched, vec![block], Some(weight), shape, full)
            }
            shape => Err(self.misfit(&format!("a block of shape {shape:?}"))),
        }
    }

    pub(super) fn scaled(&self) -> Result<Pair, NotRead> {
        let claimed = self.claimed(Part::Ia3)?;
        let is_convolution = claimed.stored.tensor.shape.len() != 2;
        let scale = self.factor(claimed)?;
        let weight = self.weight(IA3)?;
        let shape = [weight.rows, weight.cols];
        let scales = [scale.rows, scale.cols];
        // Of a convolution all lie in a row, whether they are of its outputs or of its inputs.
        let fits = match is_convolution {
            true => [
                scale.rows == 1 && scale.cols == shape[0],
                scale.rows == 1 && shape[1].is_multiple_of(scale.cols),
            ],
            false => [scales == [shape[0], 1], scales == [1, shape[1]]],
        };
        let by_outputs = match fits {
            [false, false] => return Err(self.other_shape(&weight, scales)),
            [true, true] if is_convolution => !self.is_feed_forward()?,
            [by_outputs, _] => by_outputs,
        };
        let (rank, how) = (shape[0].min(shape[1]), How::Scaled { by_outputs, is_change: false });
        self.made(Method::Ia3, how, vec![scale], Some(weight), shape, rank)
    }

    /// Whether the config counts the module among those whose inputs are scaled.
    fn is_feed_forward(&self) -> Result<bool, NotRead> {
        let path = (self.scheme.path)(self.module);
        let of = |names: &Vec<String>| names.iter().any(|name| path.ends_with(name.as_str()));
        let config = self.of.config.map(|config| &config.feed_forward);
        match config {
            Some(Field::Known(names)) => Ok(of(names)),
            Some(Field::Absent) => Ok(false),
            Some(Field::Unknown) | None => {
                const UNKNOWN: &str = "(IA)³ of a convolution, whose feedforward_modules are in an adapter_config.json that is not \
                                       there or not a list of names";
                Err(self.lacking(UNKNOWN, None))
            }
        }
    }

    pub(super) fn rotated(&self) -> Result<Pair, NotRead> {
        let vectors = self.part(Part::OftR)?;
        let weight = self.weight("OFT, whose ΔW is made of the base model's weights")?;
        let config = self.of.config;
        let is_series = config.map_or(Field::Absent, |config| config.is_series);
        let n_terms = match config.map_or(Field::Absent, |config| config.n_terms) {
            Field::Known(n) if n.fract() == 0.0 && (0.0..=MAX_TERMS).contains(&n) => Some(n as usize),
            Field::Absent => Some(5),
            Field::Known(_) | Field::Unknown => None,
        };
        let cayley = match is_series {
            Field::Known(false) => Some(Cayley::Exact),
            Field::Known(true) => n_terms.map(Cayley::Series),
            // Versions of PEFT disagree.
            Field::Absent | Field::Unknown => None,
        };
        let bounded = config.map_or(Field::Absent, |config| config.is_bounded);
        let bound = config.map_or(Field::Absent, |config| config.bound);
        let at_most = match (bounded, bound) {
            (Field::Known(false) | Field::Absent, _) => Some(None),
            (Field::Known(true), Field::Known(bound)) => Some(Some(bound)),
            _ => None,
        };
        const UNKNOWN: &str =
            "OFT, whose kind of rotation is in an adapter_config.json that is not there or not understood";
        let (cayley, at_most) = cayley.zip(at_most).ok_or_else(|| self.lacking(UNKNOWN, None))?;
        let shape = [weight.rows, weight.cols];
        let block = block_size(vectors.cols);
        let fits = block.is_some_and(|block| match vectors.rows {
            1 => shape[1].is_multiple_of(block),
            n => Some(shape[1]) == n.checked_mul(block),
        });
        if !fits {
            return Err(self.other_shape(&weight, [vectors.rows, vectors.cols]));
        }
        let rank = shape[0].min(shape[1]);
        self.made(Method::Oft, How::Rotated { cayley, at_most }, vec![vectors], Some(weight), shape, rank)
    }

    pub(super) fn rotated_and_scaled(&self) -> Result<Pair, NotRead> {
        let (blocks, scale) = (self.claimed(Part::BoftR)?, self.part(Part::BoftScale)?);
        // A row for a convolution.
        let scale = if scale.rows == 1 { scale.transposed() } else { scale };
        let (n_factors, n, block) = match blocks.stored.tensor.shape.as_slice() {
            [n_factors, n, rows, cols] if rows == cols => (*n_factors as usize, *n as usize, *rows as usize),
            shape => return Err(self.misfit(&format!("rotations of shape {shape:?}"))),
        };
        let blocks = self.factor(blocks)?;
        if !is_butterfly(n_factors, n, block) {
            return Err(self.misfit(&format!("{n_factors} factors of {n} blocks of {block} × {block}")));
        }
        let weight = self.weight("BOFT, whose ΔW is made of the base model's weights")?;
        let shape = [weight.rows, weight.cols];
        if Some(shape[1]) != n.checked_mul(block) || [scale.rows, scale.cols] != [shape[0], 1] {
            return Err(self.other_shape(&weight, [scale.rows, blocks.cols]));
        }
        let rank = shape[0].min(shape[1]);
        let how = How::RotatedAndScaled { block, n_factors };
        self.made(Method::Boft, how, vec![blocks, scale], Some(weight), shape, rank)
    }

    pub(super) fn reflected(&self) -> Result<Pair, NotRead> {
        let vectors = self.part(Part::HraU)?;
        let weight = self.weight("HRA, whose ΔW is made of the base model's weights")?;
        let orthogonal = match self.of.config.map(|config| config.is_orthogonal) {
            Some(Field::Known(orthogonal)) => orthogonal,
            Some(Field::Absent) => false,
            Some(Field::Unknown) | None => {
                const UNKNOWN: &str =
                    "HRA, whose apply_GS is in an adapter_config.json that is not there or not understood";
                return Err(self.lacking(UNKNOWN, None));
            }
        };
        let shape = [weight.rows, weight.cols];
        if vectors.rows != shape[1] {
            return Err(self.other_shape(&weight, [vectors.rows, vectors.cols]));
        }
        self.check_size([shape[0].max(shape[1]), vectors.cols])?;
        let rank = vectors.cols.min(shape[0]).min(shape[1]);
        self.made(Method::Hra, How::Reflected { orthogonal }, vec![vectors], Some(weight), shape, rank)
    }

    pub(super) fn generalised(&self) -> Result<Pair, NotRead> {
        let parts = [Part::GloraA1, Part::GloraA2, Part::GloraB1, Part::GloraB2];
        let [a1, a2, b1, b2] = parts.map(|part| self.part(part));
        let (a1, a2, b1, b2) = (a1?, a2?, b1?, b2?);
        let weight = self.weight("GLoRA, whose ΔW is made of the base model's weights")?;
        let shape = [weight.rows, weight.cols];
        let fits = a1.cols == a2.rows
            && b1.cols == b2.rows
            && a1.rows == a2.cols
            && shape == [b1.rows, b2.cols]
            && shape[1].is_multiple_of(a1.rows);
        if !fits {
            return Err(self.other_shape(&weight, [b1.rows, b2.cols]));
        }
        // Each number of a kernel has a W of its own.
        let n_kernel = shape[1] / a1.rows;
        let rank = self.times(a1.cols, n_kernel)?.saturating_add(b1.cols);
        self.check_size([shape[0].max(shape[1]), rank])?;
        let alpha_rank = a2.rows;
        let full = rank.min(shape[0]).min(shape[1]);
        let pair =
            self.made(Method::GLora, How::Generalised, vec![a1, a2, b1, b2], Some(weight), shape, full)?;
        Ok(Pair { scale_rank: ScaleRank::Of(alpha_rank), ..pair })
    }
}
