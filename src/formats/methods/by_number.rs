//! Updates that multiply W number by number, bound an update by W's norms, or change a few numbers of W.

use super::one::One;
use crate::adapter::by_method::How;
use crate::adapter::{Factor, Method};
use crate::error::Remedy;
use crate::formats::not_read::NotRead;
use crate::formats::schemes::{Pair, Part, PathPart};

impl One<'_> {
    /// PEFT's GLoRA: W∘A + B.
    pub(super) fn scaled_and_shifted(&self) -> Result<Pair, NotRead> {
        let scale = self.path_of(Part::GloraScale)?;
        let shift = self.path_of(Part::GloraShift)?;
        let weight = self.weight("GLoRA, whose ΔW is made of the base model's weights")?;
        let shape = [weight.rows, weight.cols];
        for parts in [&scale, &shift] {
            let fits = match parts.as_slice() {
                [left, right] => [left.rows, right.cols] == shape && left.cols == right.rows,
                [column] => column.cols == 1 && (column.rows == 1 || column.rows == shape[0]),
                _ => parts.is_empty(),
            };
            if !fits {
                let of = |parts: &[Factor]| parts.first().map_or(0, |part| part.rows);
                return Err(self.other_shape(&weight, [of(parts), parts.last().map_or(0, |part| part.cols)]));
            }
        }
        let how = How::Multiplied { n_scale: scale.len(), n_shift: shift.len() };
        let rank = shape[0].min(shape[1]);
        self.made(Method::GLora, how, [scale, shift].concat(), Some(weight), shape, rank)
    }

    /// Two factors, or a vector or number.
    fn path_of(&self, part: fn(PathPart) -> Part) -> Result<Vec<Factor>, NotRead> {
        if self.has(part(PathPart::Column)) {
            return Ok(vec![self.column(part(PathPart::Column))?]);
        }
        Ok(vec![self.part(part(PathPart::Left))?, self.part(part(PathPart::Right))?])
    }

    pub(super) fn hadamard_with_weight(&self) -> Result<Pair, NotRead> {
        let [b, a] = [Part::HiraB, Part::HiraA].map(|part| {
            let one = self.claimed(part)?;
            match one.stored.tensor.shape.len() {
                2 => self.factor(one),
                _ => Err(self.lacking("HiRA of a convolution, which is not read", None)),
            }
        });
        let (b, a) = (b?, a?);
        let weight = self.weight("HiRA, whose ΔW is made of the base model's weights")?;
        let shape = [weight.rows, weight.cols];
        if [b.rows, a.cols] != shape || b.cols != a.rows {
            return Err(self.other_shape(&weight, [b.rows, a.cols]));
        }
        let rank = shape[0].min(shape[1]);
        let how = How::Multiplied { n_scale: 2, n_shift: 0 };
        self.made(Method::HiRa, how, vec![b, a], Some(weight), shape, rank)
    }

    pub(super) fn bounded(&self) -> Result<Pair, NotRead> {
        let (a, b) = (self.part(Part::DeloraA)?, self.part(Part::DeloraB)?);
        let (lambda, norms) = (self.column(Part::DeloraLambda)?, self.column(Part::DeloraNorms)?);
        let shape = [b.rows, a.cols];
        if a.rows != b.cols || [lambda.rows, lambda.cols] != [1, 1] || [norms.rows, norms.cols] != [a.cols, 1]
        {
            let found = format!(
                "A of {} × {}, B of {} × {} and {} norms",
                a.rows, a.cols, b.rows, b.cols, norms.rows
            );
            return Err(self.misfit(&found));
        }
        let rank = a.rows;
        self.made(Method::DeLora, How::Bounded, vec![a, b, lambda, norms], None, shape, rank)
    }

    pub(super) fn sparse(&self) -> Result<Pair, NotRead> {
        let values = self.column(Part::ShiraValues)?;
        let places = self.claimed(Part::ShiraPlaces)?;
        let places = self.factor_of_places(places)?;
        const SIZES: &str = "SHiRA, whose file lacks the sizes of its layers";
        let Some(weight) = self.weight_if_given()? else {
            return Err(self.lacking(SIZES, Some(Remedy::GiveBase)));
        };
        if [places.rows, places.cols] != [2, values.rows] {
            return Err(
                self.misfit(&format!("{} × {} places for {} numbers", places.rows, places.cols, values.rows))
            );
        }
        let shape = [weight.rows, weight.cols];
        let rank = shape[0].min(shape[1]).min(values.rows);
        self.made(Method::Shira, How::Sparse, vec![values, places], None, shape, rank)
    }
}
