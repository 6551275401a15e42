//! The JSON of an entry: what safetensors calls its header.

use std::collections::BTreeMap;

use serde::Serialize;

use super::format::{COUNTS, WORD};
use super::record::{CachedModule, N_PROJECTED};

/// The tensors of an entry, one after another and without a gap, as safetensors wants them.
#[derive(Debug)]
pub(super) struct Tensors {
    tensors: BTreeMap<String, Tensor>,
    /// Where the next one begins, counted from the first.
    end: u64,
    /// Bytes of the JSON, filled up.
    n_bytes: usize,
}

#[derive(Debug, Serialize)]
struct Tensor {
    dtype: &'static str,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// Bytes of a tensor's JSON but for its name, at most: three numbers of 20 digits, two of them places, are the most of it.
const TENSOR_BYTES: usize = 160;

impl Tensors {
    /// With room for the tensors of these modules, and an index of so many bytes as the first.
    pub(super) fn new<'a>(modules: impl Iterator<Item = &'a str>, index_bytes: usize) -> Self {
        let length = |name| serde_json::to_string(name).expect("a text is JSON").len();
        let room: usize = modules.map(|name| 7 * (TENSOR_BYTES + length(name))).sum();
        let mut tensors = Self {
            tensors: BTreeMap::new(),
            end: 0,
            n_bytes: (2 * TENSOR_BYTES + room).next_multiple_of(WORD),
        };
        tensors.push("lorascope.index".to_owned(), "U64", WORD, &[index_bytes / WORD]);
        tensors
    }

    /// Bytes of the JSON.
    pub(super) fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    /// Adds the tensors of a module's record, in the order in which they lie there.
    pub(super) fn add(&mut self, module: &str, record: &CachedModule) {
        let mut push = |part, dtype, bytes, shape: &[usize]| {
            self.push(format!("{module}.{part}"), dtype, bytes, shape);
        };
        match record {
            CachedModule::Basis { basis, update, .. } => {
                push("counts", "U64", 8, &[COUNTS]);
                push("sigma", "F64", 8, &[basis.q()]);
                push("projection", "F32", 4, &[N_PROJECTED]);
                if let Some(update) = update {
                    push("update.shape", "U64", 8, &[3]);
                    push("update.norm", "F64", 8, &[1]);
                    push("rows", "F32", 4, &[basis.q(), basis.d()]);
                    push("update.rows", "F32", 4, &[update.joined().q(), update.joined().d()]);
                } else {
                    push("rows", "F32", 4, &[basis.q(), basis.d()]);
                }
            }
            CachedModule::Missing(reason) => push("missing", "U8", 1, &[reason.len()]),
        }
    }

    fn push(&mut self, name: String, dtype: &'static str, bytes: usize, shape: &[usize]) {
        let shape: Vec<u64> = shape.iter().map(|&n| n as u64).collect();
        let start = self.end;
        self.end += bytes as u64 * shape.iter().product::<u64>();
        self.tensors.insert(name, Tensor { dtype, shape, data_offsets: [start, self.end] });
    }

    pub(super) fn json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec(&self.tensors).expect("numbers and texts are JSON");
        debug_assert!(json.len() <= self.n_bytes, "room was left for the longest numbers and names");
        json.resize(self.n_bytes, b' ');
        json
    }
}
