//! Files of a scan that grow by a line at a time: who did what, and what is known of each input.

mod jsonl;
pub mod log;
pub mod records;

pub use self::jsonl::host_name;
