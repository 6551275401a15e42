//! A scene's colours as a table of 256, for formats that have no more.

use std::collections::{BTreeSet, HashMap};

use crate::figure::scene::{Item, Scene};

/// Entries of the table.
const N_COLORS: usize = 256;
/// Steps from the background to the ink, for the rims of letters.
const N_GREYS: usize = 33;
/// The same for a line's colour.
const N_STEPS: usize = 5;

/// A table of colours, and the entry of each colour that was asked for.
pub(crate) struct ColorIndex {
    table: Vec<[u8; 3]>,
    known: HashMap<[u8; 3], u8>,
}

impl ColorIndex {
    /// The colours of a scene: from background to ink, those of lines, and as many of the cells' palette as are left, evenly.
    pub(crate) fn of(scene: &Scene<'_>) -> Self {
        let theme = scene.canvas.theme();
        let mut table: BTreeSet<[u8; 3]> = ramp(theme.paper, theme.ink, N_GREYS).collect();
        table.insert(theme.missing);
        for item in &scene.items {
            let color = match item {
                Item::Line { color, .. } => *color,
                Item::Polygon { color, .. } | Item::Dot { color, .. } => Some(*color),
                Item::Text { text, .. } => text.color,
                Item::Bar(_) | Item::Frame { .. } => None,
            };
            let Some(color) = color.filter(|_| table.len() + N_STEPS < N_COLORS / 2) else { continue };
            table.extend(ramp(theme.paper, color, N_STEPS));
        }
        let cells = scene.cells().next();
        let palette: Vec<[u8; 3]> = cells.map_or(vec![], |cells| {
            let color = |color: &u32| color.to_le_bytes();
            cells.colors.colors.iter().map(color).map(|[red, green, blue, _]| [red, green, blue]).collect()
        });
        let room = N_COLORS - table.len();
        for k in 0..room.min(palette.len()) {
            let n = room.min(palette.len());
            table.insert(palette[k * (palette.len() - 1) / (n - 1).max(1)]);
        }
        Self { table: table.into_iter().collect(), known: HashMap::new() }
    }

    /// The table, red, green and blue of each entry.
    pub(crate) fn rgb(&self) -> Vec<u8> {
        self.table.concat()
    }

    /// The number of the entry that is the nearest.
    pub(crate) fn nearest(&mut self, color: [u8; 3]) -> u8 {
        let table = &self.table;
        *self.known.entry(color).or_insert_with(|| {
            let distance = |entry: &[u8; 3]| -> u32 {
                entry.iter().zip(color).map(|(&a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
            };
            let nearest = (0..=255u8).zip(table).min_by_key(|(_, entry)| distance(entry));
            nearest.map_or(0, |(at, _)| at)
        })
    }
}

/// Colours from one to another, both among them.
fn ramp(from: [u8; 3], to: [u8; 3], n: usize) -> impl Iterator<Item = [u8; 3]> {
    (0..n).map(move |k| {
        std::array::from_fn(|channel| {
            let share = k as f64 / (n - 1) as f64;
            let [from, to] = [from, to].map(|color| f64::from(color[channel]));
            (from + share * (to - from)).round() as u8
        })
    })
}
