//! (IA)³, Diag-OFT and BOFT of LyCORIS, which scale or rotate outputs. kohya's OFT has the tensors and the rule of Diag-OFT.

use super::of_weight::{IA3, is_butterfly};
use super::one::One;
use crate::adapter::Method;
use crate::adapter::by_method::How;
use crate::formats::not_read::{NotRead, because};
use crate::formats::schemes::{Pair, Part, TensorRole};
use crate::formats::tensor::Scalars;

impl One<'_> {
    /// ΔW = diag(w)·W, or W·diag(w) on the input.
    pub(super) fn scaled_by_lycoris(&self) -> Result<Pair, NotRead> {
        let scale = self.claimed(Part::LycorisIa3)?;
        let on_input = self.claimed(Part::OnInput)?;
        let on_input = Scalars::default().read(on_input.stored.name, on_input.stored.tensor);
        let by_outputs = on_input.map_err(because(super::one::MISFIT))? == 0.0;
        // A vector, or (1, n, 1, 1) of a convolution.
        let scale = match scale.stored.tensor.shape.len() {
            1 => self.column(Part::LycorisIa3)?,
            _ => self.factor(scale)?,
        };
        let weight = self.weight(IA3)?;
        let shape = [weight.rows, weight.cols];
        let n = scale.rows.max(scale.cols);
        let fits = if by_outputs { n == shape[0] } else { shape[1].is_multiple_of(n) };
        if !fits || scale.rows.min(scale.cols) != 1 {
            return Err(self.other_shape(&weight, [scale.rows, scale.cols]));
        }
        let how = How::Scaled { by_outputs, is_change: true };
        self.made(Method::Ia3, how, vec![scale], Some(weight), shape, shape[0].min(shape[1]))
    }

    /// Blocks of (blocks, size, size), or with a butterfly's factors before them.
    pub(super) fn rotated_by_lycoris(&self) -> Result<Pair, NotRead> {
        let claimed = self.claimed(Part::OftBlocks)?;
        let (n_factors, n, block) = match *claimed.stored.tensor.shape.as_slice() {
            [n, rows, cols] if rows == cols => (None, n as usize, rows as usize),
            [n_factors, n, rows, cols] if rows == cols => {
                (Some(n_factors as usize), n as usize, rows as usize)
            }
            ref shape => return Err(self.misfit(&format!("rotations of shape {shape:?}"))),
        };
        let blocks = self.factor(claimed)?;
        if n_factors.is_some_and(|n_factors| !is_butterfly(n_factors, n, block) || !block.is_multiple_of(2)) {
            return Err(self
                .misfit(&format!("{} factors of {n} blocks of {block} × {block}", n_factors.unwrap_or(1))));
        }
        let scale = match self.has(Part::OftRescale) {
            true => Some(self.column(Part::OftRescale)?),
            false => None,
        };
        let method = if n_factors.is_some() { Method::Boft } else { Method::Oft };
        let weight = self.weight("OFT, whose ΔW is made of the base model's weights")?;
        let shape = [weight.rows, weight.cols];
        let is_other = |scale: &crate::adapter::Factor| [scale.rows, scale.cols] != [shape[0], 1];
        if Some(shape[0]) != n.checked_mul(block) || scale.as_ref().is_some_and(is_other) {
            return Err(self.other_shape(&weight, [self.times(n, block)?, shape[1]]));
        }
        // The alpha next to it is what the norm is at most, for each output; 0 is no bound.
        let alpha = self.tensors.iter().find(|one| one.claim.role == TensorRole::Alpha);
        let alpha = match alpha {
            Some(alpha) => {
                let read = Scalars::default().read(alpha.stored.name, alpha.stored.tensor);
                read.map_err(because(super::one::MISFIT))?
            }
            None => 0.0,
        };
        let at_most = (alpha > 0.0).then_some(alpha * shape[0] as f64);
        let how = How::OutputsRotated { block, n_factors, at_most };
        let parts = [vec![blocks], scale.into_iter().collect()].concat();
        self.made(method, how, parts, Some(weight), shape, shape[0].min(shape[1]))
    }
}
