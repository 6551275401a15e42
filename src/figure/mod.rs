//! The paper's figures and other plots, from numbers to a file.
//!
//! ```text
//! Figure, Heatmap, LineChart ──► Scene ────────────────► Output
//! a Plot with its Style          lines, text, cells      a file: PNG, PDF, SVG
//! ```
//!
//! A [`Plot`] lays itself out into a [`Scene`]: text, lines and areas of cells, placed in points. An [`Output`] writes a
//! scene, and is the only part that knows a file format. Cells are painted at the resolution they are shown in, by any
//! [`Painter`](crate::engine::Painter) with the same bytes, and text is drawn from the embedded font, so that a figure
//! has the same bytes on every machine.

mod atlas;
mod axis_style;
mod canvas;
mod color_bar;
mod heatmap;
mod lines;
mod look;
mod output;
mod page;
mod palette;
mod panels;
mod plot;
mod quantity;
mod scene;
mod style;
mod text;
mod theme;
mod ticks;

pub use atlas::Atlas;
pub use axis_style::AxisStyle;
pub use heatmap::{Heatmap, Merge, Strip};
pub use lines::{Line, LineChart, LinePanel};
pub use look::Look;
pub use output::{Animation, AnimationFormat, FrameSize, Output, Pixels};
#[cfg(feature = "cli")]
pub(crate) use output::{ColorIndex, base64};
pub use palette::Palette;
pub use panels::{Figure, Panel};
pub use plot::Plot;
pub use quantity::Quantity;
pub use scene::{Area, Scene};
pub use style::Style;
pub use text::Font;
