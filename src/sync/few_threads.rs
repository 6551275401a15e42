//! Fewer threads than there are, for work of which only some fits into memory at once: what a thread frees, its allocator keeps.

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Threads for some kind of work.
#[derive(Debug, Default)]
pub struct FewThreads(Option<ThreadPool>);

impl FewThreads {
    /// So many, or all if that is no fewer.
    pub fn new(n: usize) -> Self {
        let is_fewer = n < rayon::current_num_threads();
        // Where the system makes no more threads, those that there are do the work.
        Self(is_fewer.then(|| ThreadPoolBuilder::new().num_threads(n).build().ok()).flatten())
    }

    /// Whether these are fewer than all.
    pub fn are_few(&self) -> bool {
        self.0.is_some()
    }

    /// Runs work on them; what it does in parallel stays there.
    pub fn run<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.0 {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    #[test]
    fn work_stays_on_as_many_threads_as_are_given() {
        let threads_of = |few: &FewThreads| {
            few.run(|| {
                let mut threads: Vec<_> =
                    (0..1000).into_par_iter().map(|_| std::thread::current().id()).collect();
                threads.sort_unstable_by_key(|id| format!("{id:?}"));
                threads.dedup();
                threads.len()
            })
        };
        let all = ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        all.install(|| {
            assert_eq!(threads_of(&FewThreads::new(1)), 1);
            assert!(threads_of(&FewThreads::new(2)) <= 2);
            assert!(FewThreads::new(4).0.is_none() && FewThreads::default().0.is_none());
        });
    }
}
