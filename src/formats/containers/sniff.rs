//! Says what a file is instead of a checkpoint, for the error.

use std::path::Path;

use crate::error::{Error, Fault};

const TAR: &str = "open it with the torch that wrote it, and save it again as safetensors";
const OLD_GGML: &str = "give the files that it was converted from";
const OTHER: &str = "give the adapter's folder or file";
const WEB_PAGE: &str = "a web page was saved instead of the file: on the Hugging Face Hub, the file's own address \
                        holds /resolve/, not /blob/";

/// The error for a file that is plainly something else, by its first bytes.
pub(super) fn sniff(path: &Path, head: &[u8]) -> Option<Error> {
    let fault = |found: String| Fault::new(found, "an adapter's file").at(path).other_kind();
    if head.is_empty() {
        return Some(fault("an empty file".into()).hint("download or copy it again").malformed());
    }
    if head.starts_with(b"version https://git-lfs.github.com/spec/") {
        let found = match pointed_bytes(head) {
            Some(n) => format!("a Git LFS pointer to a file of {n} bytes"),
            None => "a Git LFS pointer".into(),
        };
        return Some(fault(found).hint("fetch the file itself with `git lfs pull`").malformed());
    }
    let start = String::from_utf8_lossy(head).trim_start_matches('\u{feff}').trim_start().to_lowercase();
    if ["<!doctype html", "<html"].iter().any(|tag| start.starts_with(tag)) {
        return Some(fault("an HTML page".into()).hint(WEB_PAGE).malformed());
    }
    let (found, hint) = match head {
        [0x80, 2..=5, 1..=255, ..] => ("a Python pickle that torch did not write", OTHER),
        [b'a', b'l', b'g', b'g', ..] => ("a LoRA of llama.cpp before GGUF", OLD_GGML),
        [b't' | b'm' | b'l', b'j' | b'g' | b'm', b'g', b'g', ..] => ("a model of ggml before GGUF", OLD_GGML),
        [0x1f, 0x8b, ..] => ("a gzip archive", "unpack it first"),
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => {
            ("a single NumPy array", "factors are read from archives of numpy.savez")
        }
        [0x89, b'H', b'D', b'F', ..] => ("an HDF5 file", OTHER),
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] | [b'G', b'I', b'F', b'8', ..] => {
            ("a picture", OTHER)
        }
        [b'%', b'P', b'D', b'F', ..] => ("a PDF document", OTHER),
        [0x7f, b'E', b'L', b'F', ..] => ("a program", OTHER),
        [b'P', b'A', b'R', b'1', ..] => ("a Parquet table", OTHER),
        [b'S', b'Q', b'L', b'i', b't', b'e', ..] => ("an SQLite database", OTHER),
        // Its first piece is a nested message: <unk>.
        [0x0a, _, 0x0a, _, b'<', ..] => ("a SentencePiece tokenizer", OTHER),
        _ if head.get(257..262) == Some(b"ustar") => ("a tar archive, as torch wrote before 0.4", TAR),
        _ if start.starts_with('{')
            && ["\"truncation\"", "\"added_tokens"].iter().any(|key| start.contains(key)) =>
        {
            ("a tokenizer", OTHER)
        }
        _ if start.starts_with('{') => ("JSON text", OTHER),
        _ if start.starts_with("<?xml") => ("XML text", WEB_PAGE),
        _ => return text(head).map(|text| fault(text).malformed()),
    };
    Some(fault(found.into()).hint(hint).unsupported())
}

/// The size in a Git LFS pointer.
fn pointed_bytes(head: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(head).ok()?.lines().find_map(|line| line.strip_prefix("size "))?;
    line.parse().ok()
}

/// The start of readable text, such as a server's answer "Entry not found".
fn text(head: &[u8]) -> Option<String> {
    let readable = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\r' | 0x20..=0x7e);
    let first_line = head.split(|byte| matches!(byte, b'\n' | b'\r')).next()?;
    let start = std::str::from_utf8(first_line.get(..40).unwrap_or(first_line)).ok()?;
    head.iter().all(readable).then(|| format!("text that begins with {}", crate::text::quoted(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(head: &[u8]) -> String {
        sniff(Path::new("x.safetensors"), head).map_or_else(|| "nothing".into(), |error| error.to_string())
    }

    #[test]
    fn names_what_people_save_as_safetensors() {
        let cases: &[(&[u8], &str)] = &[
            (b"", "an empty file"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 2362576\n",
                "a Git LFS pointer to a file of 2362576 bytes",
            ),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "a Git LFS pointer"),
            (b"\n  <!DOCTYPE html><html>", "an HTML page"),
            (b"\xef\xbb\xbf<HTML>", "an HTML page"),
            (b"\x80\x02}q\x00", "a Python pickle that torch did not write"),
            (b"algg\x01\0\0\0", "a LoRA of llama.cpp before GGUF"),
            (b"tjgg\x03\0\0\0", "a model of ggml before GGUF"),
            (b"\x1f\x8b\x08\0", "a gzip archive"),
            (b"\x93NUMPY\x01\0", "a single NumPy array"),
            (b"\x89HDF\r\n", "an HDF5 file"),
            (b"\x89PNG\r\n", "a picture"),
            (b"\n\x0e\n\x05<unk>\x15", "a SentencePiece tokenizer"),
            (b"{\n  \"version\": \"1.0\",\n  \"truncation\": null", "a tokenizer"),
            (b"{\n  \"r\": 8", "JSON text"),
            (b"<?xml version", "XML text"),
            (b"[package]\nname = 1", "text that begins with `[package]`"),
            (b"Entry not found", "text that begins with `Entry not found`"),
        ];
        for (head, kind) in cases {
            assert_eq!(found(head), format!("x.safetensors: found {kind}, expected an adapter's file"));
        }
    }

    #[test]
    fn names_the_archive_of_the_oldest_torch() {
        let mut head = [0; 512];
        head[257..262].copy_from_slice(b"ustar");
        let expected =
            "x.safetensors: found a tar archive, as torch wrote before 0.4, expected an adapter's file";
        assert_eq!(found(&head), expected);
    }

    #[test]
    fn says_nothing_about_bytes_that_it_does_not_know() {
        assert_eq!(found(&[8, 0, 0, 0, 0, 0, 0, 0, b'{', b'}']), "nothing");
        assert_eq!(found(b"\x80\x02\0\0\0\0\0\0"), "nothing");
        assert_eq!(found(&[0; 64]), "nothing");
        assert_eq!(found(&[0xff; 64]), "nothing");
    }
}
