//! Sizes such as `512M` and `8G` on the command line.

/// Bytes of a size in units of 1024: 1024, 512M, 8G, 8GiB, 1.5T.
pub(in crate::cli) fn parse(text: &str) -> Result<u64, String> {
    let wrong = || "expected a size such as 512M or 8G".to_owned();
    let lower = text.trim().to_ascii_lowercase();
    let number = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = lower[number.len()..].trim_end_matches('b').trim_end_matches('i');
    let bits = match unit {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return Err(wrong()),
    };
    let bytes = number.trim().parse::<f64>().map_err(|_| wrong())? * f64::from(bits).exp2();
    if (1.0..1e18).contains(&bytes) { Ok(bytes as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_number_with_a_unit_of_1024() {
        for (text, bytes) in [("1024", 1 << 10), ("512M", 512 << 20), ("8GiB", 8 << 30), ("1.5 gb", 3 << 29)]
        {
            assert_eq!(parse(text), Ok(bytes));
        }
        for text in ["", "G", "-1G", "0", "8X", "nan", "inf", "1e30"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
