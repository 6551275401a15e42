//! Finds paths in which some numbers are any number: `transformer_blocks.N.attn.to_out.0`.

use std::collections::HashMap;

/// What stands for any number.
const ANY: &str = "N";

/// Values by such paths.
pub(super) struct Index<T> {
    /// Between the parts of a path.
    separator: char,
    /// In the order in which they were added.
    values: HashMap<String, Vec<T>>,
    /// By the first part of a path: which of the numbers in it can be any, as bits. So few tries find a path.
    masks: HashMap<String, Vec<u32>>,
}

/// Numbers of a path beyond this one are taken as they are.
const MAX_NUMBERS: usize = 8;

impl<T> Index<T> {
    pub(super) fn new(separator: char) -> Self {
        Self { separator, values: HashMap::new(), masks: HashMap::new() }
    }

    pub(super) fn add(&mut self, path: &str, value: T) {
        let parts = path.split(self.separator);
        let numbers = parts.filter(|part| *part == ANY || is_number(part)).take(MAX_NUMBERS);
        let mask = numbers.enumerate().filter(|(_, part)| *part == ANY).map(|(at, _)| 1 << at).sum();
        let first = path.split(self.separator).next().unwrap_or_default();
        let masks = self.masks.entry(first.to_owned()).or_default();
        if !masks.contains(&mask) {
            masks.push(mask);
        }
        self.values.entry(path.to_owned()).or_default().push(value);
    }

    /// Calls `found` with each value of a path, and with the numbers that stand where any may.
    pub(super) fn find<'p>(&self, path: &'p str, mut found: impl FnMut(&T, &[&'p str])) {
        self.each(path, |template, numbers| {
            for value in self.values.get(template).into_iter().flatten() {
                found(value, numbers);
            }
        });
    }

    fn each<'p>(&self, path: &'p str, mut each: impl FnMut(&str, &[&'p str])) {
        let first = path.split(self.separator).next().unwrap_or_default();
        let Some(masks) = self.masks.get(first) else { return };
        let mut template = String::with_capacity(path.len());
        let mut numbers: Vec<&str> = Vec::with_capacity(2);
        for &mask in masks {
            template.clear();
            numbers.clear();
            let mut n_numbers = 0;
            for (at, part) in path.split(self.separator).enumerate() {
                if at > 0 {
                    template.push(self.separator);
                }
                if is_number(part) {
                    if n_numbers < MAX_NUMBERS && mask >> n_numbers & 1 == 1 {
                        template.push_str(ANY);
                        numbers.push(part);
                        n_numbers += 1;
                        continue;
                    }
                    n_numbers += 1;
                }
                template.push_str(part);
            }
            if numbers.len() == mask.count_ones() as usize {
                each(&template, &numbers);
            }
        }
    }
}

/// The path with these numbers in it.
pub(super) fn filled(path: &str, separator: char, numbers: &[&str]) -> String {
    let mut numbers = numbers.iter();
    let mut filled = String::with_capacity(path.len() + 4);
    for (at, part) in path.split(separator).enumerate() {
        if at > 0 {
            filled.push(separator);
        }
        filled.push_str(if part == ANY { numbers.next().copied().unwrap_or(part) } else { part });
    }
    filled
}

fn is_number(part: &str) -> bool {
    !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
}
