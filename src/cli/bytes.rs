//! Counts of bytes for people.

/// In the largest unit that leaves a whole number before the point.
pub(super) fn bytes(n: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = units.into_iter().find(|(_, bits)| n >> bits > 0);
    match unit {
        Some((name, bits)) if n & ((1 << bits) - 1) == 0 => format!("{} {name}", n >> bits),
        Some((name, bits)) => format!("{:.1} {name}", n as f64 / f64::from(1u32 << bits)),
        None => format!("{n} B"),
    }
}
