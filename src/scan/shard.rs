//! Which share of a scan's blocks one process does.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Fault, Remedy, Result};
use crate::text::quoted;

/// Share `k` of `n`, counted from 1: the blocks whose place in the plan is k − 1 modulo n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 1 to `n`.
    pub k: usize,
    /// How many shares there are.
    pub n: usize,
}

impl Shard {
    /// The whole.
    pub const WHOLE: Self = Self { k: 1, n: 1 };

    /// Whether the block at this place of the plan belongs to the share.
    pub fn has(self, place: usize) -> bool {
        place % self.n == self.k - 1
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.k, self.n)
    }
}

/// Which share is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShardChoice {
    /// From the environment of a job array.
    Auto,
    /// This one.
    Given(Shard),
}

impl FromStr for ShardChoice {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let parsed = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
        match parsed {
            Some((k, n)) if (1..=n).contains(&k) => Ok(Self::Given(Shard { k, n })),
            _ => {
                let expected = "K/N with K from 1 to N, such as 3/8, or auto";
                Err(Fault::new(quoted(text), expected).of("shard").invalid())
            }
        }
    }
}

/// How the shares of an output folder were counted before, as its side log has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbering {
    /// How many shares there were.
    pub n: usize,
    /// The array's task id of the first one.
    pub first_id: usize,
}

/// The share of a task of a Slurm job array or of a Kubernetes indexed job, from its variables; `count` is what the user
/// says of the number of shares, `before` how they were counted in an earlier run.
///
/// Slurm: K is the place of `SLURM_ARRAY_TASK_ID` between `SLURM_ARRAY_TASK_MIN` and `_MAX`, N their count, when the array
/// has every number between the two. With `count`, an array with gaps is understood as well: K is the id, in an array that
/// was counted from 1 or as `before` has it. Kubernetes: K is `JOB_COMPLETION_INDEX` + 1 and needs `count`.
///
/// # Errors
/// `Invalid` when the variables are missing, or do not say what the shares are: a resubmitted `--array=3,7` has gaps, and
/// its tasks would take other blocks than they had.
pub fn from_environment(
    count: Option<usize>,
    before: Option<Numbering>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Shard> {
    let number = |name: &str| -> Result<Option<usize>> {
        let Some(text) = variable(name) else { return Ok(None) };
        let fault = || Fault::new(quoted(&text), "a whole number").of(name.to_owned()).invalid();
        text.trim().parse().map(Some).map_err(|_| fault())
    };
    if let Some(id) = number("SLURM_ARRAY_TASK_ID")? {
        let array = Array {
            id,
            min: number("SLURM_ARRAY_TASK_MIN")?,
            max: number("SLURM_ARRAY_TASK_MAX")?,
            step: number("SLURM_ARRAY_TASK_STEP")?,
            n_tasks: number("SLURM_ARRAY_TASK_COUNT")?,
        };
        return array.shard(count, before);
    }
    let found = match (number("JOB_COMPLETION_INDEX")?, count) {
        (Some(index), Some(n)) if index < n => return Ok(Shard { k: index + 1, n }),
        (Some(index), Some(n)) => format!("JOB_COMPLETION_INDEX {index} of {n}"),
        (Some(_), None) => "JOB_COMPLETION_INDEX without the number of shares".into(),
        (None, _) => {
            let found = "no SLURM_ARRAY_TASK_ID and no JOB_COMPLETION_INDEX".into();
            return Err(refused(found, "a task of a job array", Remedy::NameShare));
        }
    };
    Err(refused(found, "the number of completions, over every index", Remedy::CountShares))
}

/// A task of a Slurm job array.
struct Array {
    id: usize,
    min: Option<usize>,
    max: Option<usize>,
    step: Option<usize>,
    n_tasks: Option<usize>,
}

impl Array {
    fn shard(&self, count: Option<usize>, before: Option<Numbering>) -> Result<Shard> {
        let id = self.id;
        if let Some((min, n)) = self.gap_free()
            && count.is_none_or(|count| count == n)
        {
            return Ok(Shard { k: id - min + 1, n });
        }
        let first_id = before.map_or(1, |before| before.first_id);
        let k = (id + 1).checked_sub(first_id).filter(|&k| k > 0);
        if let Some(n) = count {
            let expected = format!("the id of one of {n} tasks");
            let refused = || refused(format!("the task id {id}"), &expected, Remedy::NumberTasks { n });
            return k.filter(|&k| k <= n).map(|k| Shard { k, n }).ok_or_else(refused);
        }
        let found = match (self.n_tasks, self.min, self.max) {
            (Some(n), Some(min), Some(max)) => format!("an array with gaps ({n} tasks from {min} to {max})"),
            _ => "an array of unknown size".into(),
        };
        let remedy = match (before, k) {
            (Some(Numbering { n, .. }), Some(k)) if k <= n => Remedy::RepeatShare { k, n },
            _ => Remedy::GuessShare { k: id },
        };
        Err(refused(found, "every number from the first to the last", remedy))
    }

    /// The first id and the count of an array without gaps.
    fn gap_free(&self) -> Option<(usize, usize)> {
        let (min, max) = (self.min?, self.max?);
        let n = max.checked_sub(min)? + 1;
        let whole = self.step.unwrap_or(1) == 1 && self.n_tasks.is_none_or(|n_tasks| n_tasks == n);
        (whole && (min..=max).contains(&self.id)).then_some((min, n))
    }
}

fn refused(found: String, expected: &str, remedy: Remedy) -> Error {
    Fault::new(found, expected).of("share of a job array").remedy(remedy).invalid()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: Numbering = Numbering { n: 8, first_id: 0 };

    fn of(count: Option<usize>, before: Option<Numbering>, variables: &[(&str, &str)]) -> Result<Shard> {
        from_environment(count, before, |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn slurm<'a>(id: &'a str, min: &'a str, max: &'a str, n: &'a str) -> [(&'static str, &'a str); 5] {
        [
            ("SLURM_ARRAY_TASK_ID", id),
            ("SLURM_ARRAY_TASK_MIN", min),
            ("SLURM_ARRAY_TASK_MAX", max),
            ("SLURM_ARRAY_TASK_STEP", "1"),
            ("SLURM_ARRAY_TASK_COUNT", n),
        ]
    }

    #[test]
    fn every_block_is_in_one_share() {
        for n in 1..6 {
            for place in 0..20 {
                assert_eq!((1..=n).filter(|&k| Shard { k, n }.has(place)).count(), 1);
            }
        }
    }

    #[test]
    fn a_share_reads_back_from_what_it_prints() {
        assert_eq!("3/8".parse::<ShardChoice>().unwrap(), ShardChoice::Given(Shard { k: 3, n: 8 }));
        assert_eq!("auto".parse::<ShardChoice>().unwrap(), ShardChoice::Auto);
        for text in ["0/4", "5/4", "1", "1/0", "/", "a/b", "1/4/2"] {
            assert!(text.parse::<ShardChoice>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_gap_free_array_counts_from_its_first_id() {
        assert_eq!(of(None, None, &slurm("3", "0", "3", "4")).unwrap(), Shard { k: 4, n: 4 });
        assert_eq!(of(None, None, &slurm("1", "1", "4", "4")).unwrap(), Shard { k: 1, n: 4 });
        assert_eq!(of(Some(4), None, &slurm("0", "0", "3", "4")).unwrap(), Shard { k: 1, n: 4 });
    }

    #[test]
    fn a_resubmitted_array_with_gaps_is_refused_with_the_share_to_type() {
        let gaps = slurm("7", "3", "7", "2");
        let error = of(None, None, &gaps).unwrap_err();
        assert!(error.to_string().contains("found an array with gaps (2 tasks from 3 to 7)"), "{error}");
        assert_eq!(error.remedy(), Some(&Remedy::GuessShare { k: 7 }));
        let error = of(None, Some(BEFORE), &gaps).unwrap_err();
        assert_eq!(error.remedy(), Some(&Remedy::RepeatShare { k: 8, n: 8 }));
        let mut stepped = slurm("3", "1", "5", "3");
        stepped[3].1 = "2";
        assert!(of(None, None, &stepped).is_err());
    }

    #[test]
    fn the_number_of_shares_explains_an_array_with_gaps() {
        let gaps = slurm("7", "3", "7", "2");
        assert_eq!(of(Some(8), None, &gaps).unwrap(), Shard { k: 7, n: 8 });
        assert_eq!(of(Some(8), Some(BEFORE), &gaps).unwrap(), Shard { k: 8, n: 8 });
        assert!(of(Some(4), None, &gaps).is_err());
        assert!(of(Some(8), None, &slurm("0", "0", "3", "2")).is_err());
    }

    #[test]
    fn an_indexed_job_counts_from_0_and_needs_the_count() {
        let index = [("JOB_COMPLETION_INDEX", "2")];
        assert_eq!(of(Some(4), None, &index).unwrap(), Shard { k: 3, n: 4 });
        assert!(of(None, None, &index).is_err() && of(Some(2), None, &index).is_err());
    }

    #[test]
    fn outside_a_job_there_is_no_share_to_take() {
        assert!(of(None, None, &[]).is_err());
        assert!(of(None, None, &[("SLURM_ARRAY_TASK_ID", "1")]).is_err());
        assert!(of(None, None, &[("SLURM_ARRAY_TASK_ID", "x")]).is_err());
    }
}
