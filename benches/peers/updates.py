"""The cosines of the updates s·B·A of all pairs of a folder of PEFT adapters, as a torch user would write it well: for each row
of pairs two products and a sum; a Parquet file with a row for each pair and module.

    python updates.py FOLDER OUT.parquet
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
            for letter in "AB":
                if f".lora_{letter}." in name:
                    factors.setdefault(name.replace(f".lora_{letter}.", "."), {}).setdefault(letter, []).append(tensor)
    names = [run.name for run in runs]
    writer = None
    for module, tensors in factors.items():
        n, r = len(tensors["A"]), len(tensors["A"][0])
        a = torch.stack(tensors["A"]).reshape(n * r, -1)
        b = torch.stack(tensors["B"]).transpose(1, 2).reshape(n * r, -1)
        inner = []
        for row in range(n):
            rows = slice(row * r, (row + 1) * r)
            product = (a[rows] @ a[row * r:].T).mul_(b[rows] @ b[row * r:].T)
            inner.append(product.view(r, n - row, r).sum((0, 2)))
        norms = torch.stack([row[0] for row in inner]).sqrt()
        cosine = torch.cat([row[1:] / (norms[at] * norms[at + 1:]) for at, row in enumerate(inner)])
        first, second = torch.triu_indices(n, n, 1)
        labels = pyarrow.array(names)
        table = pyarrow.table({
            "module": pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * len(first), pyarrow.int32()), [module]),
            "a": pyarrow.DictionaryArray.from_arrays(first.numpy(), labels),
            "b": pyarrow.DictionaryArray.from_arrays(second.numpy(), labels),
            "cosine": cosine.numpy(),
        })
        writer = writer or pyarrow.parquet.ParquetWriter(out, table.schema, compression="zstd")
        writer.write_table(table)
    writer.close()


if __name__ == "__main__":
    main()
