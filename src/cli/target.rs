//! Writes a plot that is not made of grids, and the numbers that it shows.

use std::fmt::Display;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::console::Console;
use super::destination::Destination;
use super::drawing::ShownArgs;
use super::listing::Listing;
use super::output::PictureOutput;
use super::sink::Sink;
use super::{write_json, write_text};
use crate::Side;
use crate::engine::Painter;
use crate::figure::{Output, Plot};

/// An output that is known to be writable, before the work that fills it.
pub(super) struct Target<'a> {
    to: &'a Destination,
    sink: Sink,
    format: Output,
    dpi: f64,
    shown: &'a ShownArgs,
    recipe: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// # Errors
    /// As [`Sink::open`].
    pub(super) fn open(
        output: &'a PictureOutput,
        shown: &'a ShownArgs,
        dpi: f64,
        recipe: Option<&'a str>,
    ) -> Result<Self> {
        let (sink, format) = output.open(shown.format)?;
        Ok(Self { to: &output.to, sink, format, dpi, shown, recipe })
    }

    /// Writes the plot and prints its numbers.
    ///
    /// # Errors
    /// When the system refuses to write.
    pub(super) fn fill(
        self,
        plot: &dyn Plot,
        painter: &dyn Painter,
        listing: &Listing,
        side: Side,
        json: bool,
        console: &Console,
    ) -> Result<()> {
        let mut facts = Map::new();
        facts.insert("side".to_owned(), Value::from(side.to_string()));
        facts.insert("rows".to_owned(), listing.json());
        self.fill_with(plot, painter, (&listing.text(), facts), json, console)
    }

    /// Writes the plot and prints what is known of it: a text for people, and what JSON has after the facts of the picture.
    ///
    /// # Errors
    /// When the system refuses to write.
    pub(super) fn fill_with(
        self,
        plot: &dyn Plot,
        painter: &dyn Painter,
        (text, facts): (&str, Map<String, Value>),
        json: bool,
        console: &Console,
    ) -> Result<()> {
        let Self { to, sink, format, dpi, shown: args, recipe } = self;
        let scene = plot.scene()?.recipe(recipe);
        sink.fill(|writer| format.write(&scene, painter, writer))?;
        let path = to.path();
        let (width_px, height_px) = (scene.width_px(), scene.height_px());
        let shown: &dyn Display = if let Some(path) = &path { path } else { &"stdout" };
        let size = match format {
            Output::Png => format!("{width_px} × {height_px} pixels, {dpi} dpi"),
            _ => format!("{:.2} × {:.2} in", width_px as f64 / dpi, height_px as f64 / dpi),
        };
        console.note("wrote", format!("{shown} ({size})"));
        args.preview(&scene, console)?;
        if json {
            let figure = json!({
                "path": path, "format": format.suffix(), "width_px": width_px, "height_px": height_px, "dpi": dpi
            });
            let mut document = Map::new();
            document.insert("schema".to_owned(), Value::from(1));
            document.insert("version".to_owned(), Value::from(env!("CARGO_PKG_VERSION")));
            document.insert("figure".to_owned(), figure);
            document.extend(facts);
            return write_json(&document);
        }
        write_text(text, *to == Destination::Stdout, console)
    }
}
