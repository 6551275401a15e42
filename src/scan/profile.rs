//! Where the time of a scan goes: sums for each stage, and on demand every span, as a trace that Perfetto opens.

use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::sync::lock;

/// A stage of the work on a block or on an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// An adapter's file, read and hashed.
    Read,
    /// Factors, read and factorised, and the bases put into the cache where there is one.
    Factorise,
    /// A block that waits for bases that others make.
    Wait,
    /// A block's bases, read from the cache or made.
    Load,
    /// A block's kept cells, in the engine.
    Compute,
    /// A block's rows, put together and written.
    Write,
}

impl Stage {
    /// Every stage, in the order of the data.
    pub const ALL: [Self; 6] =
        [Self::Read, Self::Factorise, Self::Wait, Self::Load, Self::Compute, Self::Write];

    /// What traces and summaries call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Factorise => "factorise",
            Self::Wait => "wait",
            Self::Load => "load",
            Self::Compute => "compute",
            Self::Write => "write",
        }
    }
}

/// Sums of time, and the spans where they are wanted.
#[derive(Debug)]
pub struct Profile {
    started: Instant,
    sums_ns: [AtomicU64; Stage::ALL.len()],
    spans: Option<Mutex<Vec<Span>>>,
}

/// What one thread did at one time.
#[derive(Debug)]
struct Span {
    stage: Stage,
    what: String,
    thread: usize,
    from: Duration,
    to: Duration,
}

impl Profile {
    /// Begins to count; keeps every span when `with_spans`.
    pub fn begin(with_spans: bool) -> Self {
        Self {
            started: Instant::now(),
            sums_ns: Default::default(),
            spans: with_spans.then(|| Mutex::new(vec![])),
        }
    }

    /// Does some work and counts its time; `what` names it in a trace.
    pub fn time<T>(&self, stage: Stage, what: impl FnOnce() -> String, work: impl FnOnce() -> T) -> T {
        let from = self.started.elapsed();
        let done = work();
        let to = self.started.elapsed();
        let ns = u64::try_from((to - from).as_nanos()).unwrap_or(u64::MAX);
        self.sums_ns[stage as usize].fetch_add(ns, Ordering::Relaxed);
        if let Some(spans) = &self.spans {
            let span = Span { stage, what: what(), thread: thread_number(), from, to };
            lock(spans).push(span);
        }
        done
    }

    /// The time of a stage, over all threads.
    pub fn sum(&self, stage: Stage) -> Duration {
        Duration::from_nanos(self.sums_ns[stage as usize].load(Ordering::Relaxed))
    }

    /// All spans in the Trace Event Format (JSON), which Perfetto and Chrome open; `None` where they were not kept.
    pub fn trace(&self) -> Option<String> {
        let spans = lock(self.spans.as_ref()?);
        let event = |span: &Span| {
            json!({
                "name": span.what,
                "cat": span.stage.name(),
                "ph": "X",
                "ts": span.from.as_nanos() as f64 / 1e3,
                "dur": (span.to - span.from).as_nanos() as f64 / 1e3,
                "pid": 1,
                "tid": span.thread,
            })
        };
        let events: Vec<Value> = spans.iter().map(event).collect();
        Some(json!({ "displayTimeUnit": "ms", "traceEvents": events }).to_string())
    }
}

/// A small number for each thread.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    thread_local!(static OWN: Cell<usize> = const { Cell::new(0) });
    OWN.with(|own| {
        if own.get() == 0 {
            own.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        own.get()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_has_every_span_and_the_sums_their_time() {
        let profile = Profile::begin(true);
        profile.time(Stage::Load, || "m0".to_owned(), || std::thread::sleep(Duration::from_millis(2)));
        assert_eq!(profile.time(Stage::Load, || "m1".to_owned(), || 7), 7);
        assert!(profile.sum(Stage::Load) >= Duration::from_millis(2));
        assert_eq!(profile.sum(Stage::Write), Duration::ZERO);
        let trace: Value = serde_json::from_str(&profile.trace().unwrap()).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        assert_eq!((events.len(), &events[1]["name"], &events[1]["cat"]), (2, &json!("m1"), &json!("load")));
        assert!(events[0]["dur"].as_f64().unwrap() >= 2000.0);
        assert!(Profile::begin(false).trace().is_none());
    }
}
