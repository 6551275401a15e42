//! What an .npy file begins with: the magic `\x93NUMPY`, version 1.0, the length of the header, and the header, a Python
//! dictionary padded to 64 bytes. The numbers follow.

/// The start of an array of this type, such as `<f4`, and shape, a tuple such as `(8,)`.
pub(crate) fn npy_header(dtype: &str, shape: &str) -> Vec<u8> {
    let mut text = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}");
    let prefix = 10;
    // Padded so that the numbers begin at a multiple of 64, with a line break at the end.
    let padding = (prefix + text.len() + 1).next_multiple_of(64) - prefix - text.len() - 1;
    text.extend(std::iter::repeat_n(' ', padding));
    text.push('\n');
    let n_bytes = text.len() as u16;
    [b"\x93NUMPY\x01\x00".as_slice(), &n_bytes.to_le_bytes(), text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_end_at_a_multiple_of_64_and_state_their_length() {
        for shape in ["()", "(8,)", "(64, 64)", "(512, 512)"] {
            let header = npy_header("<f4", shape);
            assert_eq!(header.len() % 64, 0);
            assert_eq!(usize::from(u16::from_le_bytes([header[8], header[9]])), header.len() - 10);
            assert_eq!(header.last(), Some(&b'\n'));
        }
    }
}
