//! The titles of a figure: the main one, each panel's, and the small paths under them.

use super::Figure;
use super::panel::{Kind, Panel};
use crate::figure::page::TITLE_PT;
use crate::figure::quantity::Quantity;
use crate::figure::text::{Face, Text, elide};

/// Type sizes of the panels' titles and of the paths under them.
pub(super) const PANEL_TITLE_PT: f64 = 11.0;
pub(super) const PATH_PT: f64 = 6.5;
/// Titles shrink to this share of their size before the names of modules in them are shortened.
const SMALLEST: f64 = 0.7;

/// The titles of a figure.
#[derive(Debug)]
pub(super) struct Titles {
    /// φ(A_{r=64}, A′_{r=64}, i, j); a rank that differs between modules is left to the panels' titles.
    pub main: Text,
    pub panels: Vec<PanelTitle>,
}

/// A panel's title and, where the title is not enough, the module's path in small type.
#[derive(Debug)]
pub(super) struct PanelTitle {
    pub title: Text,
    pub path: Option<Text>,
}

impl Titles {
    /// The titles of a figure, the main one at most `max_pt` wide and the others at most `panel_max_pt`.
    pub(super) fn new(figure: &Figure, max_pt: f64, panel_max_pt: f64) -> Self {
        let panels = &figure.panels[..];
        let ranks = common_ranks(panels);
        let main = match (&figure.style.title, ranks) {
            (Some(title), _) => Text::title(title, TITLE_PT),
            (None, (Some(first), Some(second))) if figure.is_of_two_ranks => {
                // The larger first, as in the paper's figure 3, and without a prime: the ranks tell them apart.
                let ranks = (Some(first.max(second)), Some(first.min(second)));
                main_title([&figure.symbol; 2], ranks, false, TITLE_PT)
            }
            (None, (first, second)) => match &figure.row_symbol {
                Some(of_rows) => main_title([of_rows, &figure.symbol], (None, second), false, TITLE_PT),
                None => main_title([&figure.symbol; 2], (first, second), true, TITLE_PT),
            },
        };
        let main = match (&figure.style.title, figure.quantity()) {
            (Some(_), _) | (None, Quantity::Phi) => main,
            (None, Quantity::Excess) => main.upright(" − chance", TITLE_PT),
            (None, Quantity::Adjusted) => Text::plain("Adjusted ", TITLE_PT).then(main),
            (None, Quantity::Z) => Text::letter("z", TITLE_PT).upright(" of ", TITLE_PT).then(main),
        };
        let main = match &figure.title_end {
            [end, _] if end.is_empty() => main,
            [end, longest] => {
                let width_pt = |text: &str| Text::plain(text, TITLE_PT).width_pt;
                main.upright(end, TITLE_PT).space((width_pt(longest) - width_pt(end)).max(0.0))
            }
        };
        // One size for all panels: titles side by side in different sizes look like different ranks of heading.
        let scales = panels.iter().map(|panel| {
            let scale = panel_max_pt / panel_title(panel, ranks, None).width_pt;
            if panel.is_control() { scale } else { scale.max(SMALLEST) }
        });
        let scale = scales.fold(1.0, f64::min);
        let names_rows = figure.has_rows();
        let paths = panels.iter().map(|panel| path(panel, panels, names_rows, panel_max_pt));
        let titles = panels.iter().map(|panel| panel_title(panel, ranks, Some(panel_max_pt / scale)));
        let panels = titles
            .zip(paths)
            .map(|(title, path)| PanelTitle { title: title.scaled(scale).within(panel_max_pt), path })
            .collect();
        Self { main: main.within(max_pt), panels }
    }
}

/// The ranks that all modules share; the control is drawn to match, and counts only where there is nothing else.
fn common_ranks(panels: &[Panel]) -> (Option<usize>, Option<usize>) {
    let only_controls = panels.iter().all(Panel::is_control);
    let counted: Vec<_> =
        panels.iter().filter(|panel| only_controls || !panel.is_control()).map(|panel| panel.ranks).collect();
    let shared = |rank: fn(&(usize, usize)) -> usize| {
        let first = counted.first().map(rank)?;
        counted.iter().all(|ranks| rank(ranks) == first).then_some(first)
    };
    (shared(|ranks| ranks.0), shared(|ranks| ranks.1))
}

fn main_title(symbols: [&str; 2], ranks: (Option<usize>, Option<usize>), has_prime: bool, size: f64) -> Text {
    let subscript =
        |rank: Option<usize>| rank.map(|rank| Text::equation("r", false, rank, Text::subscript_size(size)));
    Text::letter("ϕ", size)
        .upright("(", size)
        .symbol(symbols[0], size)
        .scripts(false, subscript(ranks.0), size)
        .comma(size)
        .symbol(symbols[1], size)
        .scripts(has_prime, subscript(ranks.1), size)
        .comma(size)
        .italic("i", size)
        .comma(size)
        .italic("j", size)
        .upright(")", size)
}

/// A panel's title at full size, the projection shortened where the whole is wider than `max_pt`.
fn panel_title(panel: &Panel, shared: (Option<usize>, Option<usize>), max_pt: Option<f64>) -> Text {
    let size = PANEL_TITLE_PT;
    if let Some(title) = &panel.title {
        return Text::title(title, size);
    }
    let mut ranks = Text::default();
    if shared.0.is_none() {
        ranks = ranks.comma(size).then(Text::equation("r", false, panel.ranks.0, size));
    }
    if shared.1.is_none() {
        ranks = ranks.comma(size).then(Text::equation("r", true, panel.ranks.1, size));
    }
    let name = match &panel.kind {
        Kind::Control => Text::plain("Random Gaussian", size),
        Kind::Module { projection, .. } => {
            let stem = Text::plain("Δ", size).italic("W", size);
            let small = Text::subscript_size(size);
            let subscript = if matches!(projection.as_str(), "q" | "k" | "v" | "o") {
                Text::letter(projection, small)
            } else {
                let room = max_pt.map_or(f64::INFINITY, |max| max - stem.width_pt - ranks.width_pt - 1.0);
                Text::plain(&elide(projection, Face::Upright, small, room), small)
            };
            stem.scripts(false, Some(subscript), size)
        }
    };
    name.then(ranks)
}

/// The path under a panel's title: none where the title names the module as the paper does, or where rows have names.
fn path(panel: &Panel, panels: &[Panel], names_rows: bool, max_pt: f64) -> Option<Text> {
    let small = |text: &str| Text::plain(&elide(text, Face::Upright, PATH_PT, max_pt), PATH_PT);
    if let Some(caption) = &panel.caption {
        return Some(small(caption));
    }
    let Kind::Module { path, projection } = &panel.kind else { return None };
    let same_title = panels.iter().filter(|other| {
        matches!(&other.kind, Kind::Module { projection: name, .. } if name == projection)
            && other.ranks == panel.ranks
    });
    let known = matches!(projection.as_str(), "q" | "v");
    let is_in_title = names_rows
        || panel.title.is_some()
        || path.is_empty()
        || path == projection
        || (known && same_title.count() == 1);
    (!is_in_title).then(|| small(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::Plot;
    use crate::measure::Grid;

    fn panel(path: &str, n_rows: usize, n_cols: usize) -> Panel {
        Panel::module(path, Grid::new(n_rows, n_cols, 600, vec![0.0; n_rows * n_cols]).unwrap())
    }

    fn text(text: &Text) -> String {
        text.pieces.iter().map(|piece| piece.text.as_str()).collect()
    }

    fn titles(panels: &[Panel]) -> (String, Vec<String>, Vec<Option<String>>) {
        let figure = panels.iter().cloned().fold(Figure::new('A'), Figure::panel);
        let titles = Titles::new(&figure, 800.0, 250.0);
        (
            text(&titles.main),
            titles.panels.iter().map(|panel| text(&panel.title)).collect(),
            titles.panels.iter().map(|panel| panel.path.as_ref().map(text)).collect(),
        )
    }

    #[test]
    fn shared_ranks_stand_in_the_main_title() {
        let control = Panel::control(Grid::new(8, 8, 600, vec![0.0; 64]).unwrap());
        let (main, panels, paths) = titles(&[panel("l.q_proj", 8, 64), panel("l.v_proj", 8, 64), control]);
        assert_eq!(main, "ϕ(Ar=8,A′r=64,i,j)");
        assert_eq!(panels, ["ΔWq", "ΔWv", "Random Gaussian"]);
        assert_eq!(paths, [None, None, None]);
    }

    #[test]
    fn a_rank_that_differs_moves_to_the_panels() {
        let (main, panels, _) = titles(&[panel("l.q_proj", 8, 64), panel("l.v_proj", 8, 32)]);
        assert_eq!(main, "ϕ(Ar=8,A′,i,j)");
        assert_eq!(panels, ["ΔWq,r′=64", "ΔWv,r′=32"]);
    }

    #[test]
    fn the_rank_of_an_adapter_is_told_when_its_grid_is_smaller() {
        let (main, ..) = titles(&[panel("l.q_proj", 5, 6).ranks(64, 64)]);
        assert_eq!(main, "ϕ(Ar=64,A′r=64,i,j)");
    }

    #[test]
    fn paths_stand_under_other_modules_and_under_titles_that_occur_twice() {
        let (_, _, paths) =
            titles(&[panel("0.q_proj", 8, 8), panel("1.q_proj", 8, 8), panel("0.v_proj", 8, 8)]);
        assert_eq!(paths, [Some("0.q_proj".to_owned()), Some("1.q_proj".to_owned()), None]);
        let (_, _, paths) = titles(&[panel("0.mlp.up_proj", 8, 8), panel("0.v_proj", 8, 8)]);
        assert_eq!(paths, [Some("0.mlp.up_proj".to_owned()), None]);
    }

    #[test]
    fn a_weight_next_to_updates_has_its_own_symbol_and_no_rank() {
        let panel = panel("l.q_proj", 64, 8).axes("W", "ΔW");
        let figure = Figure::new("ΔW").rows_of("W").panel(panel);
        let titles = Titles::new(&figure, 800.0, 250.0);
        assert_eq!(text(&titles.main), "ϕ(W,ΔWr=8,i,j)");
        let scene = figure.scene().unwrap();
        for label in ["i (W)", "j (ΔW)"] {
            assert!(scene.texts().iter().any(|text| text == label), "{label}: {:?}", scene.texts());
        }
        assert_eq!((scene.overlapping_texts(), scene.outside()), (None, None));
    }

    #[test]
    fn titles_stay_within_their_room() {
        let long = format!("x.{}", "long_name_".repeat(20));
        let figure = Figure::new('A').panel(panel(&long, 8, 64)).panel(panel("q", 9, 65));
        let titles = Titles::new(&figure, 100.0, 60.0);
        assert!(titles.main.width_pt <= 100.001);
        for panel in titles.panels {
            assert!(panel.title.width_pt <= 60.001, "{}", panel.title.width_pt);
            assert!(panel.path.is_none_or(|path| path.width_pt <= 60.0));
        }
    }
}
