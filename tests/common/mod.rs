//! What several test files share. Each of them uses a part.
#![allow(dead_code)]

pub mod files;
