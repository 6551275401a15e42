//! Which panel of a figure stands where.

use super::kind::Kind;
use crate::figure::{Figure, Panel};
use crate::{ModulePair, Result};

/// How the panels of a figure are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrangement {
    kind: Kind,
    /// Whether every layer has a row.
    by_layer: bool,
}

/// Cells of a corner that is drawn again, larger.
const CORNER: usize = 8;

impl Arrangement {
    /// Of these modules: a row for each layer where there are several, unless two of a layer have one name.
    pub(super) fn of(kind: Kind, pairs: &[ModulePair]) -> Self {
        let mut places: Vec<_> = pairs.iter().map(|pair| (pair.layer(), pair.label())).collect();
        places.sort_unstable();
        let is_unique = places.windows(2).all(|two| two[0] != two[1]);
        let n_layers = places.chunk_by(|a, b| a.0 == b.0).count();
        let have_layers = places.iter().all(|(layer, _)| layer.is_some());
        Self { kind, by_layer: is_unique && have_layers && n_layers > 1 }
    }

    /// The upper end of its colours, as in the paper.
    pub(super) fn vmax(self) -> f64 {
        match self.kind {
            Kind::Ranks => 1.0,
            _ => 0.5,
        }
    }

    /// Whether every layer has a row.
    pub(super) fn has_rows(self) -> bool {
        self.by_layer
    }

    /// Whether a random control is drawn where the user does not say.
    pub(super) fn has_control(self) -> bool {
        self.kind == Kind::Seeds && !self.by_layer
    }

    /// The figure with a panel for each pair, in their order, and the control after them.
    ///
    /// # Errors
    /// None that pairs can cause.
    pub(super) fn figure(
        self,
        symbol: &str,
        pairs: &[&ModulePair],
        panels: Vec<Panel>,
        control: Option<Panel>,
    ) -> Result<Figure> {
        let mut figure = Figure::new(symbol);
        if self.kind == Kind::Ranks {
            figure = figure.of_two_ranks();
        }
        if !self.by_layer {
            let panels = self.with_corners(panels.into_iter().map(Some).collect())?;
            return Ok(panels.into_iter().flatten().chain(control).fold(figure, Figure::panel));
        }
        let mut labels: Vec<&str> = vec![];
        let mut rows: Vec<(usize, Vec<Option<Panel>>)> = vec![];
        for (pair, panel) in pairs.iter().zip(panels) {
            let place = labels.iter().position(|label| *label == pair.label()).unwrap_or_else(|| {
                labels.push(pair.label());
                labels.len() - 1
            });
            let layer = pair.layer().unwrap_or(0);
            let row = rows.iter().position(|(other, _)| *other == layer).unwrap_or_else(|| {
                rows.push((layer, vec![]));
                rows.len() - 1
            });
            let row = &mut rows[row].1;
            row.resize(row.len().max(place + 1), None);
            row[place] = Some(panel);
        }
        let mut control = control;
        for (layer, mut row) in rows {
            row.resize(labels.len(), None);
            let mut row = self.with_corners(row)?;
            row.extend(control.take().map(Some));
            figure = figure.row(format!("Layer {layer}"), row);
        }
        Ok(figure)
    }

    /// The panels, and for ranks the corners of all of them too.
    fn with_corners(self, panels: Vec<Option<Panel>>) -> Result<Vec<Option<Panel>>> {
        if self.kind != Kind::Ranks {
            return Ok(panels);
        }
        let corner = |panel: &Panel| {
            let corner = panel.clone().corner(CORNER)?.lower_left();
            let (n_rows, n_cols) = (corner.grid().n_rows(), corner.grid().n_cols());
            Ok(corner.caption(format!("the first {n_rows} × {n_cols} cells, j ≤ i")))
        };
        let corners = panels.iter().map(|panel| panel.as_ref().map(corner).transpose());
        let corners: Vec<Option<Panel>> = corners.collect::<Result<_>>()?;
        let whole = |panel: Panel| {
            let (down, across) = panel.adapter_ranks();
            panel.caption(format!("i: r = {down}, j: r = {across}"))
        };
        let whole = panels.into_iter().map(|panel| panel.map(whole));
        Ok(whole.chain(corners).map(|panel| panel.map(Panel::stretched)).collect())
    }
}
