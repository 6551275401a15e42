"""Cuts small files out of the real checkpoints in other naming schemes that README.md names.

usage: cut_schemes.py ADAPTERS

Run from the root of the repository; tensors keep their names and bytes. Prints the SHA-256 of what it writes.
"""

import hashlib
import shutil
import sys
from pathlib import Path

from cut import DATA, keep, read, write

TO = DATA / "adapters" / "schemes"


def main(adapters):
    def cut(source, name, *parts):
        write(TO / name, keep(read(adapters / source), *parts))

    numbered = ["unet:0:", "unet:1:", "unet:2:", "unet:3:", "text_encoder:0:", "<s1>"]
    cut("cloneofsimo/lora_disney.safetensors", "cloneofsimo-disney.safetensors", *numbered)
    cut("cloneofsimo/analog_svd_rank4.safetensors", "cloneofsimo-analog.safetensors", *numbered)
    block = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor"
    cut("sd15-catundchat/pytorch_lora_weights.safetensors", "diffusers-processor.safetensors", f"{block}.to_q_", f"{block}.to_out_")
    cut("mlx-qwen25-05b/adapters.safetensors", "mlx-qwen.safetensors", "layers.20.")
    cut("sam-mathieunlp/lora_rank2.safetensors", "sam.safetensors", "_000", "_001")
    for folder in ("cloneofsimo", "sd15-catundchat", "mlx-qwen25-05b", "sam-mathieunlp"):
        shutil.copyfile(adapters / folder / "LICENSE", TO / f"LICENSE-{folder}")
    for path in sorted(TO.glob("*.safetensors")):
        print(f"    {hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(DATA)}")


main(Path(sys.argv[1]))
