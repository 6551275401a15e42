//! The report as a page that shows its pictures, for a repository or a notebook.

use super::by::By;
use super::scan::ScanSums;
use super::subject::subject;
use crate::figure::Output;
use crate::text::counted;

/// The page: a heading, each picture with how to read it, what the report says, and the names of its tables.
pub(super) fn markdown(
    scan: &ScanSums,
    pictures: &[&'static str],
    output: Output,
    text: &str,
    tables: &[String],
) -> String {
    let adapters = counted(scan.adapters.len(), "adapter");
    let mut page = format!("# {adapters}, {} over modules, {}\n", scan.by.title(), subject(scan));
    for picture in pictures {
        let (heading, sentence) = (heading(picture), how_to_read(picture, scan.by));
        let file = format!("{picture}.{}", output.suffix());
        let shown = match output {
            // Pages show no PDF.
            Output::Pdf => format!("[{file}]({file})"),
            Output::Png | Output::Svg => format!("![{heading}]({file})"),
        };
        page += &format!("\n## {heading}\n\n{shown}\n\n{sentence}\n");
    }
    // Indented, so that no name in it can end the block.
    let lines: String = text.lines().map(|line| format!("    {line}").trim_end().to_owned() + "\n").collect();
    page += &format!("\n## In words\n\n{lines}");
    let tables: Vec<String> = tables.iter().map(|name| format!("[{name}]({name})")).collect();
    page += &format!("\nNumbers: [report.json](report.json), {}.\n", tables.join(", "));
    page
}

fn heading(picture: &str) -> &'static str {
    match picture {
        "adapters" => "Every pair of adapters",
        "layers" => "Where in the model",
        "drift" => "Drift over training",
        _ => "Drift by projection",
    }
}

/// One sentence.
fn how_to_read(picture: &str, by: By) -> String {
    let by = by.title();
    match picture {
        "adapters" => format!(
            "A cell is the mean of {by} over the modules of two adapters; rows and columns stand in the order of the tree at the \
             left, so that adapters that belong together are a light square on the diagonal, and a branch that joins far \
             from it stands apart."
        ),
        "layers" => format!(
            "A cell is the mean of {by} over all pairs for one projection of one layer: light rows are layers, and light columns \
             projections, in which the adapters found the same."
        ),
        "drift" => format!(
            "A line is a training run and its height how far it has turned, 1 − {by}: from one checkpoint to the next it falls \
             towards 0 once the run has settled, from the first it rises, and to the last it ends at 0."
        ),
        _ => format!(
            "A frame is a kind of module with the same three lines, 1 − {by}: kinds whose line from one checkpoint to the next \
             is the first to reach 0 settle first."
        ),
    }
}
