//! The values at the ends of a picture's colours.

use super::by::By;
use crate::figure::Style;

/// An end of the colours.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum End {
    /// Where the values end.
    Data,
    /// This value.
    At(f64),
}

/// What was asked for; `None` for what suits the quantity.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Colors {
    pub(super) vmin: Option<End>,
    pub(super) vmax: Option<End>,
}

/// A scale any shorter shows rounding.
const LEAST_SPAN: f64 = 0.02;

impl Colors {
    /// The range for a picture with these values, of which NaN do not count: from 0, or from the least where a cosine is
    /// clearly negative, up to a whole tenth.
    pub(super) fn style(self, by: By, values: impl Iterator<Item = f32>, style: Style) -> Style {
        let finite = values.filter(|value| value.is_finite()).map(f64::from);
        let (least, most) =
            finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), x| (least.min(x), most.max(x)));
        let (least, most) = if least <= most { (least, most) } else { (0.0, 1.0) };
        let vmin = match self.vmin {
            Some(End::At(vmin)) => vmin,
            Some(End::Data) => (least * 100.0 + 1e-3).floor() / 100.0,
            None if by == By::Cosine && least < -0.05 => (least * 10.0 + 1e-3).floor() / 10.0,
            None => 0.0,
        };
        match (self.vmax, self.vmin) {
            (Some(End::At(vmax)), _) => style.range(vmin, vmax),
            (_, Some(End::Data)) => {
                style.range(vmin, ((most * 100.0 - 1e-3).ceil() / 100.0).max(vmin + LEAST_SPAN))
            }
            _ => style.range_up_to(vmin, most),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(by: By, ends: (Option<End>, Option<End>), values: &[f32]) -> Style {
        Colors { vmin: ends.0, vmax: ends.1 }.style(by, values.iter().copied(), Style::new())
    }

    #[test]
    fn colours_go_from_0_unless_asked_or_needed() {
        let values = [0.934, f32::NAN, 0.971];
        assert_eq!(range(By::Adjusted, (None, None), &values), Style::new().range(0.0, 1.0));
        assert_eq!(range(By::Adjusted, (Some(End::Data), None), &values), Style::new().range(0.93, 0.98));
        assert_eq!(
            range(By::Adjusted, (Some(End::At(0.9)), Some(End::At(2.0))), &values),
            Style::new().range(0.9, 2.0)
        );
        assert_eq!(range(By::Adjusted, (None, None), &[-0.12, 0.31]), Style::new().range(0.0, 0.4));
        assert_eq!(range(By::Cosine, (None, None), &[-0.12, 0.31]), Style::new().range(-0.2, 0.4));
        assert_eq!(range(By::Cosine, (None, None), &[-0.01, 0.31]), Style::new().range(0.0, 0.4));
        assert_eq!(range(By::Cosine, (Some(End::Data), None), &[0.5]), Style::new().range(0.5, 0.52));
        assert_eq!(range(By::Cosine, (None, None), &[]), Style::new().range(0.0, 1.0));
    }
}
