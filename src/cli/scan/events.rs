//! What a scan tells, on stderr.

use std::path::PathBuf;

use indicatif::BinaryBytes;

use super::progress::ProgressLine;
use crate::cli::console::Console;
use crate::cli::warnings::shared_init_means;
use crate::engine::StageTimes;
use crate::scan::{Computed, Event, PlanFacts, ScanWarning, Shard};
use crate::text::{counted, some_of};

/// Prints the events of a scan.
pub(super) struct Events<'a> {
    console: &'a Console,
    progress: ProgressLine<'a>,
}

impl<'a> Events<'a> {
    pub(super) fn new(console: &'a Console) -> Self {
        Self { console, progress: ProgressLine::new(console) }
    }

    pub(super) fn print(&mut self, event: &Event) {
        let console = self.console;
        match event {
            Event::Ignored { path, what } => console.detail("ignored", format!("{}: {what}", path.display())),
            Event::Skipped(input) => console.library_error(&input.error),
            Event::Forgotten { paths } => console.note("forgot", forgot_line(paths)),
            Event::Planned(facts) => console.note("plan", plan_line(facts)),
            Event::Engine { info, reason, warning } => {
                console.engine(info, reason.as_deref(), warning.as_ref());
            }
            Event::Progress(progress) => self.progress.update(progress),
            Event::Computed(computed) => {
                self.progress.end();
                self.computed(computed);
            }
            Event::Warning(warning) => console.warning(warning_line(warning)),
        }
    }

    /// Clears the bar, however the scan ended.
    pub(super) fn end(&mut self) {
        self.progress.end();
    }

    /// What was done, and where the time went.
    fn computed(&self, computed: &Computed) {
        let console = self.console;
        let rows = counted(computed.n_rows as usize, "row");
        console.detail("time", format!("{:.1?} for {rows}", computed.elapsed));
        let stages = computed.stages.iter();
        let stages: Vec<String> =
            stages.map(|(stage, time)| format!("{} {:.2} s", stage.name(), time.as_secs_f64())).collect();
        let gpu = computed.gpu_times.map(gpu_line).unwrap_or_default();
        let stages = format!("{} (of all threads){gpu}", stages.join(", "));
        match &computed.profile {
            Some(path) => {
                console.note("profile", stages);
                console.note("wrote", path.display());
            }
            None => console.detail("time", stages),
        }
        let factorised = counted(computed.n_factorised, "checkpoint");
        console.detail("bases", format!("{factorised} factorised, the others were in the cache"));
    }
}

fn gpu_line(times: StageTimes) -> String {
    let kernel = times.kernel.map_or("unknown".to_owned(), |kernel| format!("{:.2} s", kernel.as_secs_f64()));
    let (upload, read_back) = (times.upload.as_secs_f64(), times.read_back.as_secs_f64());
    let bytes = BinaryBytes(times.read_back_bytes);
    format!("; GPU: upload {upload:.2} s, kernel {kernel}, read-back {read_back:.2} s of {bytes}")
}

/// A warning, with the option that is its way out.
fn warning_line(warning: &ScanWarning) -> String {
    match warning {
        ScanWarning::SharedInit { side, .. } => format!("{warning}, {}", shared_init_means(*side)),
        ScanWarning::OtherBase { .. } => format!("{warning}: --same-base leaves them out"),
        _ => warning.to_string(),
    }
}

/// What the scan goes on without.
fn forgot_line(paths: &[PathBuf]) -> String {
    let shown = some_of(paths.iter().map(|path| path.display().to_string()));
    format!("{} gone: {shown}; rows that are done stay", counted(paths.len(), "input"))
}

/// The plan in a line.
fn plan_line(facts: &PlanFacts) -> String {
    let PlanFacts { n_adapters, n_added, n_forgotten, n_modules, n_pairs, whole, mine, shard, .. } = *facts;
    let of_shard = match shard {
        Shard::WHOLE => String::new(),
        shard => format!(
            "; share {shard} has {} of them, {} to do",
            counted(mine.n_blocks as usize, "block"),
            mine.n_blocks - mine.n_done
        ),
    };
    let forgotten = match n_forgotten {
        0 => String::new(),
        n => format!("; {n} forgotten, {} left out", counted(whole.n_rows_left_out as usize, "row")),
    };
    let modules = counted(n_modules, "module");
    if n_added > 0 && n_added < n_adapters {
        return format!(
            "added {n_added}, {} rows to do in {modules}{forgotten}{of_shard}",
            whole.n_rows_left
        );
    }
    let to_do = match whole.n_rows_left {
        left if left == whole.n_rows => String::new(),
        0 => ", all done already".to_owned(),
        left => format!(", {} to do", counted(left as usize, "row")),
    };
    format!(
        "{}, {modules}, {}, {} in {}{to_do}{forgotten}{of_shard}",
        counted(n_adapters, "checkpoint"),
        counted(n_pairs as usize, "pair"),
        counted(whole.n_rows as usize, "row"),
        counted(whole.n_blocks as usize, "block")
    )
}
