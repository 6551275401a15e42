//! Where ticks go: on the cells of a panel, and on the colour bar.

/// The paper's ticks of a 64 × 64 panel (Hu et al. 2021, figure 4), which no even step makes.
const PAPER_ROWS: [usize; 8] = [1, 8, 16, 24, 32, 40, 48, 56];
const PAPER_COLS: [usize; 13] = [1, 5, 10, 15, 20, 25, 30, 34, 39, 44, 49, 54, 59];
const PAPER_RANK: usize = 64;
/// The paper's ticks are kept down to this distance of their labels, so that panels of 3 in still have them.
const PAPER_GAP_PT: f64 = 2.0;

/// An axis of cells, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    /// i, downwards.
    Rows,
    /// j, to the right.
    Cols,
}

/// The cells that get a tick: the paper's for 64 cells, else 1, 1 + s, 1 + 2s, ... with the smallest s of 1, 2, 5, 10,
/// 20, 50, ... at which no two labels come closer than `gap_pt` (the paper's: 2 pt). `extent_pt` is the length of a cell's label along
/// the axis.
pub(super) fn cells(
    axis: Axis,
    n_cells: usize,
    cell_pt: f64,
    gap_pt: f64,
    extent_pt: impl Fn(usize) -> f64,
) -> Vec<usize> {
    let fits = |ticks: &[usize], gap_pt: f64| {
        ticks.windows(2).all(|pair| {
            let apart = (pair[1] - pair[0]) as f64 * cell_pt;
            apart - 0.5 * (extent_pt(pair[0]) + extent_pt(pair[1])) >= gap_pt
        })
    };
    let paper = match axis {
        Axis::Rows => &PAPER_ROWS[..],
        Axis::Cols => &PAPER_COLS[..],
    };
    if n_cells == PAPER_RANK && fits(paper, gap_pt.min(PAPER_GAP_PT)) {
        return paper.to_vec();
    }
    let mut steps = (0..).flat_map(|power| [1, 2, 5].map(|factor| factor * 10usize.pow(power)));
    steps
        .find_map(|step| {
            Some((1..=n_cells).step_by(step).collect::<Vec<_>>()).filter(|ticks| fits(ticks, gap_pt))
        })
        .expect("a step over the number of cells leaves one tick, which always fits")
}

/// The ticks of a colour bar with their labels: every 0.1 where that gives 3 to 11 labels `gap_pt` or more apart, else
/// by the smallest of 1, 2, 5 times a power of ten that gives at most 6 of them. One tick per end at worst.
pub(super) fn scale(vmin: f64, vmax: f64, height_pt: f64, gap_pt: f64) -> Vec<(f64, String)> {
    let span = vmax - vmin;
    let n_fit = |step: f64| step / span * height_pt >= gap_pt;
    let n_labels = |step: f64| (span / step + 1e-9).floor() as usize + 1;
    let tenths = (3..=11).contains(&n_labels(0.1)) && n_fit(0.1);
    let (factor, power) = if tenths {
        (1.0, -1)
    } else {
        let start = (span / 100.0).log10().floor() as i32;
        (start..start + 4)
            .flat_map(|power| [(1.0, power), (2.0, power), (5.0, power)])
            .find(|&(factor, power)| {
                let step = factor * 10f64.powi(power);
                n_labels(step) <= 6 && n_fit(step)
            })
            .unwrap_or((1.0, start + 4))
    };
    let step = factor * 10f64.powi(power);
    let decimals = usize::try_from(-power).unwrap_or(0);
    let first = (vmin / step - 1e-6).ceil() as i64;
    let last = (vmax / step + 1e-6).floor() as i64;
    let tick = |k: i64| {
        let value = k as f64 * step;
        let label = format!("{:.decimals$}", value.abs());
        (value, if k < 0 { format!("−{label}") } else { label })
    };
    (first..=last).map(tick).collect()
}

/// The ticks of a logarithmic scale with their labels, `gap_pt` or more apart: powers of ten, every so many of them, or 1, 2 and 5
/// times these where there are under two.
pub(super) fn decades(low: f64, high: f64, height_pt: f64, gap_pt: f64) -> Vec<(f64, String)> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let n_powers = (first..=last).filter(|power| (low..=high).contains(&10f64.powi(*power))).count();
    let factors: &[f64] = if n_powers < 2 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let values = |step: i32| -> Vec<(f64, i32)> {
        let powers = (first..=last).filter(|power| power.rem_euclid(step) == 0);
        let all = powers.flat_map(|power| factors.iter().map(move |&factor| (factor, power)));
        all.filter(|&(factor, power)| (low..=high).contains(&(factor * 10f64.powi(power)))).collect()
    };
    let apart = |step: i32| f64::from(step) / (high / low).log10() * height_pt;
    let step = (1..).find(|&step| apart(step) >= gap_pt).unwrap_or(1);
    let label = |&(factor, power): &(f64, i32)| {
        let label = if (-2..=3).contains(&power) {
            let decimals = usize::try_from(-power).unwrap_or(0);
            format!("{:.decimals$}", factor * 10f64.powi(power))
        } else if factor == 1.0 {
            format!("10{}", raised(power))
        } else {
            format!("{factor}·10{}", raised(power))
        };
        (factor * 10f64.powi(power), label)
    };
    values(step).iter().map(label).collect()
}

/// A whole number in raised digits.
fn raised(number: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digit = |letter: char| letter.to_digit(10).map_or('⁻', |digit| DIGITS[digit as usize]);
    number.to_string().chars().map(digit).collect()
}

/// The whole tenth at or over a value that an engine has rounded: its error must not open another tenth.
pub(super) fn next_tenth(value: f64) -> f64 {
    (value * 10.0 - 1e-3).ceil() / 10.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DIGIT_PT: f64 = 5.1;

    fn width_pt(cell: usize) -> f64 {
        cell.to_string().len() as f64 * DIGIT_PT
    }

    fn labels(vmin: f64, vmax: f64, height_pt: f64) -> Vec<String> {
        scale(vmin, vmax, height_pt, 10.0).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn rank_64_has_the_papers_ticks() {
        assert_eq!(cells(Axis::Rows, 64, 3.9, 6.0, |_| 5.8), PAPER_ROWS);
        assert_eq!(cells(Axis::Cols, 64, 3.9, 5.0, width_pt), PAPER_COLS);
    }

    #[test]
    fn rank_64_falls_back_to_even_steps_where_the_papers_labels_would_touch() {
        assert_eq!(cells(Axis::Cols, 64, 1.2, 5.0, width_pt), [1, 21, 41, 61]);
    }

    #[test]
    fn small_ranks_have_a_tick_on_every_cell() {
        assert_eq!(cells(Axis::Cols, 1, 250.0, 5.0, width_pt), [1]);
        assert_eq!(cells(Axis::Cols, 4, 62.0, 5.0, width_pt), [1, 2, 3, 4]);
    }

    #[test]
    fn the_default_scale_has_a_tick_every_tenth() {
        assert_eq!(labels(0.0, 0.5, 250.0), ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5"]);
        assert_eq!(labels(0.0, 1.0, 250.0).len(), 11);
        assert_eq!(labels(0.05, 0.38, 250.0), ["0.1", "0.2", "0.3"]);
    }

    #[test]
    fn logarithmic_scales_have_powers_of_ten_or_parts_of_one() {
        let labels = |low, high, height_pt| -> Vec<String> {
            decades(low, high, height_pt, 20.0).into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(labels(2e-5, 3.0, 140.0), ["10⁻⁴", "10⁻³", "0.01", "0.1", "1"]);
        assert_eq!(labels(0.03, 0.7, 140.0), ["0.05", "0.1", "0.2", "0.5"]);
        assert_eq!(
            labels(1e-9, 1.0, 100.0),
            ["10⁻⁸", "10⁻⁶", "10⁻⁴", "0.01", "1"].map(str::to_owned)[..].to_vec()
        );
    }

    #[test]
    fn other_scales_have_round_ticks_with_equal_decimals() {
        assert_eq!(labels(0.0, 0.1, 250.0), ["0.00", "0.02", "0.04", "0.06", "0.08", "0.10"]);
        assert_eq!(labels(-1.0, 1.0, 250.0), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
        assert_eq!(labels(0.0, 1.0, 40.0), ["0.0", "0.5", "1.0"]);
    }

    proptest! {
        #[test]
        fn labels_never_overlap_and_start_at_one(n_cells in 1usize..=600, panel_pt in 1.0..900.0) {
            let cell_pt = panel_pt / n_cells as f64;
            let ticks = cells(Axis::Cols, n_cells, cell_pt, 5.0, width_pt);
            prop_assert_eq!(ticks[0], 1);
            prop_assert!(*ticks.last().unwrap() <= n_cells);
            for pair in ticks.windows(2) {
                let end = (pair[0] as f64 - 0.5) * cell_pt + 0.5 * width_pt(pair[0]);
                let start = (pair[1] as f64 - 0.5) * cell_pt - 0.5 * width_pt(pair[1]);
                let gap_pt = if ticks == PAPER_COLS { PAPER_GAP_PT } else { 5.0 };
                prop_assert!(start - end > gap_pt - 1e-9, "{:?}", pair);
            }
            if n_cells != PAPER_RANK {
                prop_assert!(ticks.windows(3).all(|run| run[1] - run[0] == run[2] - run[1]));
            }
        }

        #[test]
        fn a_scales_ticks_lie_in_it_and_are_few(vmin in -1.0..0.9f64, span in 1e-4..2.0f64, height_pt in 72.0..900.0) {
            let ticks = scale(vmin, vmin + span, height_pt, 10.0);
            prop_assert!(ticks.len() <= 11);
            for pair in ticks.windows(2) {
                prop_assert!((pair[1].0 - pair[0].0) / span * height_pt >= 9.999);
            }
            for (value, _) in ticks {
                prop_assert!(value >= vmin - 1e-5 * span.max(0.1) && value <= vmin + span * 1.00001 + 1e-5);
            }
        }
    }
}
