"""Intruder dimensions by PEFT's own function: reference/peft_intruders.json.

usage: python tests/data/intruders.py    (torch, peft and safetensors)

A model of nothing but the weights of weights/query-value-f16.safetensors loads each adapter as PEFT does, and
peft.tuners.lora.intruders logs how many intruders each module has.
"""

import json
import re
from pathlib import Path

import peft
import torch
from peft import PeftModel
from peft.tuners.lora.intruders import reduce_intruder_dimension
from safetensors.torch import load_file

DATA = Path(__file__).parent
ADAPTERS = [f"seed0-r{r}-layer{layer}" for r in (8, 64) for layer in (2, 5)]


def model():
    root = torch.nn.Module()
    root.config = {"model_type": "bert"}
    for name, weight in load_file(DATA / "weights" / "query-value-f16.safetensors").items():
        *path, last = name.removesuffix(".weight").split(".")
        parent = root
        for part in path:
            if not hasattr(parent, part):
                parent.add_module(part, torch.nn.Module())
            parent = getattr(parent, part)
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False, dtype=torch.float32)
        linear.weight.data = weight.float()
        parent.add_module(last, linear)
    return root


def intruders(adapter):
    tuned = PeftModel.from_pretrained(model(), DATA / "adapters" / adapter)
    lines = []
    reduce_intruder_dimension(tuned, logging_sink=lines.append)
    counts = {}
    for line in lines:
        said = re.fullmatch(r"base_model\.model\.(.*): (?:Intruders: (\d+)|No intruders)", line)
        if said:
            counts[said[1]] = int(said[2] or 0)
    # An adapter's config names query and value of every layer; the file has those of one.
    layer = adapter.removeprefix("seed0-r").split("-layer")[1]
    return {name: count for name, count in counts.items() if f".layer.{layer}." in name}


found = {"peft": peft.__version__, "adapters": {adapter: intruders(adapter) for adapter in ADAPTERS}}
(DATA / "reference" / "peft_intruders.json").write_text(json.dumps(found, indent=1) + "\n")
