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
    match bytes {
        1.0..1e18 => Ok(bytes as u64),
        1e18.. => Err("too large, expected at most 900000T".to_owned()),
        _ => Err(wrong()),
    }
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
        for text in ["", "G", "-1G", "0", "8X", "nan", "inf"] {
            assert_eq!(parse(text), Err("expected a size such as 512M or 8G".to_owned()), "{text}");
        }
        assert_eq!(parse("900000T"), Ok(900_000 << 40));
        for text in ["99999999999999T", "910000T", "1e30", "1e400", "999999999999999999999999"] {
            assert_eq!(parse(text), Err("too large, expected at most 900000T".to_owned()), "{text}");
        }
    }
}
