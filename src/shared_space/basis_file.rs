//! The shared directions as a safetensors file.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::SharedSpace;

/// The JSON is filled up to a multiple of this, so that the numbers are aligned.
const WORD: usize = 8;

impl SharedSpace {
    /// Writes the first k shared directions of every module as safetensors: a tensor (k, d) in f32 under the module's name,
    /// its rows orthonormal, the most shared first. The metadata names the side and the number of adapters.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_directions(&self, writer: &mut dyn Write) -> io::Result<()> {
        let mut header: BTreeMap<&str, Value> = BTreeMap::new();
        let facts = json!({
            "made_by": concat!("lorascope ", env!("CARGO_PKG_VERSION")),
            "side": self.side.to_string(),
            "n_adapters": self.adapters.len().to_string(),
        });
        let mut start = 0;
        for module in &self.modules {
            let end = start + size_of_val(module.directions.as_slice());
            let tensor =
                json!({ "dtype": "F32", "shape": [module.k, module.d], "data_offsets": [start, end] });
            header.insert(&module.name, tensor);
            start = end;
        }
        header.insert("__metadata__", facts);
        let mut header = serde_json::to_vec(&header)?;
        header.resize(header.len().next_multiple_of(WORD), b' ');
        writer.write_all(&(header.len() as u64).to_le_bytes())?;
        writer.write_all(&header)?;
        for module in &self.modules {
            let bytes: Vec<u8> = module.directions.iter().flat_map(|x| x.to_le_bytes()).collect();
            writer.write_all(&bytes)?;
        }
        Ok(())
    }
}
