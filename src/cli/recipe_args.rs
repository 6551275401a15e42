//! The options for recipes.

use std::path::PathBuf;

use clap::Args as ArgGroup;

use super::destination::Destination;
use super::sink::Sink;
use crate::Error;

/// A figure from a file, and the file of a figure.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "How it is drawn")]
pub(super) struct RecipeArgs {
    /// Options from this file, as --save-recipe writes it
    ///
    /// TOML with the names of the options. Those of the command line come first. Every picture has its recipe in it: a text chunk
    /// of a PNG, the properties of a PDF, the metadata of an SVG.
    #[arg(long, value_name = "FILE")]
    pub(super) recipe: Option<PathBuf>,
    /// Write the options that drew this to a file
    #[arg(long, value_name = "FILE")]
    save_recipe: Option<PathBuf>,
}

impl RecipeArgs {
    /// Writes the recipe where the user wants it.
    ///
    /// # Errors
    /// As [`Sink::open`] and [`Sink::fill`].
    pub(super) fn save(&self, recipe: Option<&str>) -> Result<(), Error> {
        let Some(path) = &self.save_recipe else { return Ok(()) };
        Sink::open(&Destination::File(path.clone()))?.fill_text(recipe.unwrap_or_default())
    }
}
