"""All pairs of a folder of PEFT adapters as a torch user would write it well: a batched SVD and, for each row of pairs, one
product and two cumulative sums; φ(k, k) at powers of two into a Parquet file.

    python scan.py FOLDER OUT.parquet
"""
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet
import torch
from safetensors.torch import load_file


def main():
    folder, out = Path(sys.argv[1]), sys.argv[2]
    runs = sorted(path.parent for path in folder.glob("*/adapter_model.safetensors"))
    factors = {}
    for run in runs:
        for name, tensor in load_file(run / "adapter_model.safetensors").items():
            if ".lora_A." in name:
                factors.setdefault(name, []).append(tensor)
    names = [run.name for run in runs]
    writer = None
    for module, tensors in factors.items():
        n, r = len(tensors), len(tensors[0])
        bases = torch.linalg.svd(torch.stack(tensors), full_matrices=False).Vh.reshape(n * r, -1)
        k = 2 ** torch.arange(r.bit_length())
        kept = []
        for a in range(n - 1):
            product = bases[a * r:(a + 1) * r] @ bases[(a + 1) * r:].T
            sums = product.view(r, n - a - 1, r).square_().cumsum(0).cumsum(2)
            kept.append(sums[k - 1, :, k - 1] / k[:, None])
        phi = torch.cat(kept, 1)
        first, second = torch.triu_indices(n, n, 1)
        labels = pyarrow.array(names)
        columns = {
            "module": pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * len(first), pyarrow.int32()), [module]),
            "a": pyarrow.DictionaryArray.from_arrays(first.numpy(), labels),
            "b": pyarrow.DictionaryArray.from_arrays(second.numpy(), labels),
        }
        columns |= {f"phi_{at}": row.numpy() for at, row in zip(k.tolist(), phi)}
        table = pyarrow.table(columns)
        writer = writer or pyarrow.parquet.ParquetWriter(out, table.schema, compression="zstd")
        writer.write_table(table)
    writer.close()


if __name__ == "__main__":
    main()
