"""Tiny adapters in rarer naming schemes, as make_library_files.py makes those of the common ones.

usage: make_scheme_files.py CASE...

No two of these libraries run in one environment, so each case is run in one of its own: README.md has the versions.
`by_hand_schemes` needs only torch.
"""

import importlib.util
import json
import sys
import types
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from make_library_files import HERE, expect, product, randomise, short

CASES = {}


def case(function):
    CASES[function.__name__.replace("_", "-")] = function
    return function


def folder(name):
    (HERE / name).mkdir(parents=True, exist_ok=True)
    return HERE / name


# LitGPT: grouped queries, with q as wide as the model and wider


@case
def litgpt():
    import litgpt.lora as lora

    def save(name, **sizes):
        config = lora.Config(
            n_layer=1, n_head=4, n_query_groups=2, padded_vocab_size=20, block_size=8, intermediate_size=32, lora_r=3,
            lora_alpha=6, **sizes
        )
        model = lora.GPT(config)
        randomise(model, "lora_")
        state = {k: v.detach().clone() for k, v in model.state_dict().items() if lora.lora_filter(k, v)}
        torch.save({"model": state}, folder("litgpt") / f"{name}.pth.lora")
        deltas = {}
        for path, module in model.double().named_modules():
            if not hasattr(module, "lora_A"):
                continue
            # Without the scaling, which the file does not have.
            delta = module.get_lora_AB() / module.scaling
            if not isinstance(module, lora.LoRAQKVLinear):
                deltas[short(path)] = delta
                continue
            q, kv = config.n_head * config.head_size, config.n_query_groups * config.head_size
            for letter, part in zip("qkv", delta.split([q, kv, kv])):
                if part.abs().max() > 0:
                    deltas[f"{short(path)}.{letter}"] = part
        expect(f"litgpt-{name}", deltas)

    save("grouped", n_embd=24, head_size=6, lora_query=True, lora_key=True, lora_value=True, lora_mlp=True)
    # Two halves of B have as many rows as the model is wide, and are not q and v.
    save("wide", n_embd=24, head_size=8, lora_query=True, lora_value=True, lora_projection=True)


# AdapterHub


@case
def adapterhub():
    import adapters
    from transformers import BertConfig, BertModel, GPT2Config, GPT2Model

    bert = BertConfig(hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, vocab_size=20)
    gpt2 = GPT2Config(n_embd=24, n_layer=1, n_head=2, vocab_size=20, n_positions=8)
    for name, model in (("bert", BertModel(bert)), ("gpt2", GPT2Model(gpt2))):
        adapters.init(model)
        model.add_adapter("mrpc", config=adapters.LoRAConfig(r=3, alpha=6))
        randomise(model, "lora_")
        path = folder("adapterhub") / name
        model.save_adapter(path, "mrpc")
        for extra in ("head_config.json", "pytorch_model_head.bin"):
            (path / extra).unlink(missing_ok=True)
        model.double()
        base = {k: v.clone() for k, v in model.state_dict().items()}
        model.merge_adapter("mrpc")
        deltas = {}
        for key, value in model.state_dict().items():
            delta = value - base[key]
            if not key.endswith(".weight") or delta.abs().max() == 0:
                continue
            path = key.removesuffix(".weight")
            # The library keeps GPT-2's weight transposed.
            delta = delta.T if name == "gpt2" else delta
            if name == "gpt2":
                q, _, v = delta.chunk(3)
                deltas |= {f"{path}.q": q, f"{path}.v": v}
            else:
                deltas[path] = delta
        expect(f"adapterhub-{name}", {key: delta / 2 for key, delta in deltas.items()})


# PEFT 0.2


@case
def peft02():
    from peft import LoraConfig, get_peft_model
    from transformers import BloomConfig, BloomForCausalLM, GPT2Config, GPT2LMHeadModel

    gpt2 = GPT2Config(n_embd=24, n_layer=1, n_head=2, vocab_size=20, n_positions=8)
    bloom = BloomConfig(hidden_size=24, n_layer=1, n_head=2, vocab_size=20)
    options = dict(r=3, lora_alpha=6, lora_dropout=0.0, enable_lora=[True, False, True], merge_weights=False)
    for name, model, target, fan in (
        ("gpt2", GPT2LMHeadModel(gpt2), "c_attn", True),
        ("bloom", BloomForCausalLM(bloom), "query_key_value", False),
    ):
        model = get_peft_model(model, LoraConfig(target_modules=[target], fan_in_fan_out=fan, **options))
        randomise(model, "lora_")
        model.save_pretrained(folder("peft02") / name)
        deltas = {}
        for path, module in model.double().named_modules():
            if path.endswith(target):
                # What it adds to its layer's output; its own way to merge does not run.
                eye = torch.eye(24, dtype=torch.float64)[None]
                adapted = module(eye)
                module.disable_adapters = True
                first, _, last = (adapted - module(eye))[0].T.chunk(3)
                path = short(path.removeprefix("base_model.model."))
                names = ("q", "v") if fan else ("0", "1")
                deltas |= {f"{path}.{names[0]}": first, f"{path}.{names[1]}": last}
        expect(f"peft02-{name}", deltas)


# MLX: experts, DoRA, and mlx-vlm's own layer


@case
def mlx_rest():
    import mlx.core as mx
    import numpy as np
    from mlx_lm.models.switch_layers import SwitchLinear
    from mlx_lm.tuner.dora import DoRALinear
    from mlx_lm.tuner.lora import LoRASwitchLinear

    mx.set_default_device(mx.cpu)
    mx.random.seed(0)
    random = lambda shape: mx.random.normal(shape) * 0.3
    tensor = lambda array: torch.from_numpy(np.array(array))
    config = {"model": "tiny", "fine_tune_type": "lora", "num_layers": 1}
    config["lora_parameters"] = {"rank": 3, "scale": 7.0, "dropout": 0.0}

    weights, deltas = {}, {}
    for name, d_in, d_out in (("up_proj", 24, 16), ("down_proj", 16, 24), ("square", 24, 24)):
        layer = LoRASwitchLinear.from_base(SwitchLinear(d_in, d_out, 4, bias=False), r=3, scale=7.0)
        layer.lora_a, layer.lora_b = random(layer.lora_a.shape), random(layer.lora_b.shape)
        path = f"layers.0.mlp.switch_mlp.{name}"
        weights |= {f"model.{path}.lora_a": layer.lora_a, f"model.{path}.lora_b": layer.lora_b}
        layer.set_dtype(mx.float64)
        delta = tensor(layer.fuse().weight) - tensor(layer.linear.weight)
        deltas |= {f"layers.0.mlp.experts.{n}.{name}": one for n, one in enumerate(delta)}
    mx.save_safetensors(str(folder("mlx-experts") / "adapters.safetensors"), weights)
    (folder("mlx-experts") / "adapter_config.json").write_text(json.dumps(config))
    expect("mlx-experts", deltas)

    layer = DoRALinear(24, 16, r=3, scale=7.0)
    layer.lora_b = random(layer.lora_b.shape)
    path = "model.layers.0.self_attn.q_proj"
    weights = {f"{path}.{part}": layer[part] for part in ("lora_a", "lora_b", "m")}
    mx.save_safetensors(str(folder("mlx-dora") / "adapters.safetensors"), weights)
    config["fine_tune_type"] = "dora"
    (folder("mlx-dora") / "adapter_config.json").write_text(json.dumps(config))


@case
def mlx_vlm():
    import mlx.core as mx
    import mlx.nn as mlx_nn
    import numpy as np

    # The package imports far more than its layer needs.
    found = importlib.util.find_spec("mlx_vlm").submodule_search_locations[0]
    spec = importlib.util.spec_from_file_location("lora", Path(found) / "trainer" / "lora.py")
    lora = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(lora)
    mx.set_default_device(mx.cpu)
    mx.random.seed(0)
    weights, deltas = {}, {}
    for name, d_in, d_out in (("q_proj", 24, 24), ("v_proj", 24, 12)):
        layer = lora.LoRaLayer(mlx_nn.Linear(d_in, d_out), rank=3, alpha=6.0)
        layer.B = mx.random.normal(layer.B.shape)
        path = f"language_model.model.layers.0.self_attn.{name}"
        weights |= {f"{path}.A": layer.A, f"{path}.B": layer.B}
        a, b = (torch.from_numpy(np.array(factor)) for factor in (layer.A, layer.B))
        # Its versions scale by alpha and by alpha over the rank.
        deltas[f"layers.0.self_attn.{name}"] = product(b.T, a.T)
    mx.save_safetensors(str(folder("mlx-vlm") / "adapters.safetensors"), weights)
    (folder("mlx-vlm") / "adapter_config.json").write_text(json.dumps({"rank": 3, "alpha": 6.0, "dropout": 0.1}))
    expect("mlx-vlm", deltas)


# SpeechBrain


@case
def speechbrain():
    sys.modules.setdefault("torchaudio", types.ModuleType("torchaudio"))
    from speechbrain.nnet.adapters import AdaptedModel, HoulsbyAdapterLinear, LoRA

    layers = lambda: nn.Sequential(nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 12))
    model = AdaptedModel(layers(), LoRA, target_layers=["0", "2"], adapter_kwargs={"rank": 3, "alpha": 6})
    randomise(model, "adapter_")
    state = {k: v.detach().clone() for k, v in model.state_dict().items() if "adapter_" in k}
    torch.save(state, folder("speechbrain") / "model.ckpt")
    deltas = {}
    for path in "02":
        layer = model.adapted_model.get_submodule(path).double()
        eye = torch.eye(24, dtype=torch.float64)
        # Without the scaling, which the file does not have.
        deltas[path] = (layer(eye) - layer.pretrained_module(eye)).T / layer.scaling
    expect("speechbrain", deltas)
    model = AdaptedModel(layers(), HoulsbyAdapterLinear, target_layers=["0"], adapter_kwargs={"projection_size": 3})
    state = {k: v.detach().clone() for k, v in model.state_dict().items() if "adapter_" in k}
    torch.save(state, folder("refused") / "houlsby.ckpt")


# Files that no library here writes


@case
def by_hand_schemes():
    """In the layouts of SAMed, CLIP-LoRA, SwissArmyTransformer, LLaMA-Adapter, KaSA, ComfyUI's Control-LoRA, and
    sd-scripts' `split_qkv`."""
    by_hand = folder("by-hand")
    pair = lambda r, d_in, d_out: (torch.randn(r, d_in) * 0.3, torch.randn(d_out, r) * 0.3)

    state, deltas = {}, {}
    for block in (0, 1):
        path = f"sam.image_encoder.blocks.{block}.attn.qkv"
        state[f"{path}.qkv.weight"] = torch.randn(48, 16)
        for letter in "qv":
            a, b = pair(3, 16, 16)
            state |= {f"{path}.linear_a_{letter}.weight": a, f"{path}.linear_b_{letter}.weight": b}
            deltas[f"{path}.{letter}"] = product(b, a)
    torch.save(state, by_hand / "samed.pth")
    expect("samed", deltas)

    weights, deltas = {}, {}
    for layer in (0, 1):
        weights[f"layer_{layer}"] = {}
        for name in ("q_proj", "proj"):
            a, b = pair(2, 16, 16)
            weights[f"layer_{layer}"][name] = {"w_lora_A": a, "w_lora_B": b}
            deltas[f"layers.{layer}.{name}"] = product(b, a)
    metadata = {"r": 2, "alpha": 1, "encoder": "vision", "params": ["q", "o"], "position": "all"}
    torch.save({"weights": weights, "metadata": metadata}, by_hand / "clip_lora.pt")
    expect("clip-lora", deltas)

    state, deltas = {}, {}
    path = "model.diffusion_model.transformer.layers.0.attention"
    for name, parts in (("query_key_value", "qkv"), ("dense", "")):
        for number in range(max(1, len(parts))):
            a, b = pair(3, 16, 16)
            state |= {f"{path}.{name}.matrix_A.{number}": a, f"{path}.{name}.matrix_B.{number}": b}
            end = f".{parts[number]}" if parts else ""
            deltas[f"layers.0.attention.{name}{end}"] = product(b, a)
    torch.save({"module": state}, by_hand / "sat.pt")
    expect("sat", deltas)

    state, deltas = {}, {}
    for name, d_in, d_out in (("attention.wq", 16, 16), ("feed_forward.w1", 16, 32)):
        block, weight = name.split(".")
        a, b = pair(3, d_in, d_out)
        path = f"llama.layers.0.{block}.lora_{weight}"
        state |= {f"{path}_l1.weight": a, f"{path}_l2.weight": b}
        deltas[f"llama.layers.0.{name}"] = product(b, a)
    torch.save({"model": state}, by_hand / "llama_adapter.pth")
    expect("llama-adapter", deltas)

    state, deltas = {"lora_controlnet": torch.zeros(0), "zero_convs.0.0.weight": torch.randn(8, 8, 1, 1)}, {}
    for path, name, d_in, d_out in (
        ("time_embed.0", "time_embedding.linear_1", 8, 32), ("label_emb.0.0", "add_embedding.linear_1", 24, 32)
    ):
        a, b = pair(2, d_in, d_out)
        state |= {f"{path}.down": a, f"{path}.up": b}
        deltas[name] = product(b, a)
    down, up = torch.randn(2, 8, 3, 3) * 0.3, torch.randn(8, 2, 1, 1) * 0.3
    state |= {"input_blocks.1.0.in_layers.2.down": down, "input_blocks.1.0.in_layers.2.up": up}
    deltas["down_blocks.0.resnets.0.conv1"] = product(up.flatten(1), down.flatten(1))
    save_file(state, by_hand / "control_lora.safetensors")
    expect("control-lora", deltas)

    # As sd-scripts merges the adapters of Flux's q, k and v, each with alpha over its own rank.
    path, (r, d) = "lora_unet_double_blocks_0_img_attn_qkv", (2, 12)
    parts = [pair(r, d, d) for _ in "qkv"]
    up = torch.block_diag(*[b for _, b in parts])
    state = {f"{path}.lora_down.weight": torch.cat([a for a, _ in parts]), f"{path}.lora_up.weight": up}
    save_file(state | {f"{path}.alpha": torch.tensor(1.0)}, by_hand / "split_qkv.safetensors")
    ends = ("to_q", "to_k", "to_v")
    expect("split-qkv", {f"transformer_blocks.0.attn.{x}": product(b, a) / r for x, (a, b) in zip(ends, parts)})

    state, deltas = {}, {}
    for name in ("q_proj", "v_proj"):
        path = f"model.layers.0.self_attn.{name}"
        (a, b), diagonal = pair(3, 24, 24), torch.randn(3)
        front = f"base_model.model.{path}"
        state |= {f"{front}.lora_A.weight": a, f"{front}.lora_B.weight": b, f"{front}.lora_diag": diagonal}
        deltas[short(path)] = product(b, torch.diag(diagonal.double()) @ a.double()) * 2
    save_file(state, folder("by-hand/kasa") / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 3, "lora_alpha": 6, "base_model_name_or_path": "tiny"}
    (by_hand / "kasa" / "adapter_config.json").write_text(json.dumps(config))
    expect("kasa", deltas)


# LyCORIS: LoHa, LoKr, Tucker decompositions and whole differences


@case
def lycoris():
    import logging

    from lycoris import LycorisNetwork, create_lycoris

    logging.disable()

    class Tiny(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide, self.tall = nn.Linear(24, 12, bias=False), nn.Linear(12, 36, bias=False)
            self.conv = nn.Conv2d(8, 12, 3, bias=False)

    for name, algo, options in (
        ("loha", "loha", {}),
        ("loha-tucker", "loha", {"use_tucker": True}),
        # The rank of ΔW is up to 144, over the size of all of the layers.
        ("loha-wide", "loha", {"linear_dim": 12, "conv_dim": 12}),
        ("lokr", "lokr", {"factor": 4}),
        ("lokr-both", "lokr", {"factor": 4, "decompose_both": True, "linear_dim": 1, "conv_dim": 1}),
        ("lokr-whole", "lokr", {"factor": 4, "linear_dim": 10000, "conv_dim": 10000, "full_matrix": True}),
        ("lokr-tucker", "lokr", {"factor": 2, "use_tucker": True}),
        ("locon-tucker", "locon", {"use_tucker": True}),
        ("full", "full", {}),
    ):
        LycorisNetwork.apply_preset({"target_module": ["Linear", "Conv2d"], "target_name": []})
        model = Tiny()
        options = {"linear_dim": 2, "linear_alpha": 1, "conv_dim": 2, "conv_alpha": 1} | options
        network = create_lycoris(model, 1.0, algo=algo, **options)
        network.apply_to()
        for parameter in network.parameters():
            parameter.data = torch.randn_like(parameter) * 0.3
        state = {key: value.detach().clone() for key, value in network.state_dict().items()}
        if algo == "full":
            # state_dict() keeps the new weight or its difference, by version; the loader knows `diff`.
            state = {}
            for lora in network.loras:
                path = lora.lora_name.removeprefix("lycoris_")
                difference = lora.get_diff_weight()[0].detach()
                state[f"{lora.lora_name}.diff"] = difference.clone()
        (HERE / "lycoris").mkdir(exist_ok=True)
        save_file(state, HERE / "lycoris" / f"{name}.safetensors")
        stored = {key: value.double() for key, value in state.items()}
        network.double()
        deltas = {}
        for lora in network.loras:
            own = {key.split(".", 1)[1]: value for key, value in stored.items() if key.startswith(lora.lora_name + ".")}
            if algo in ("loha", "lokr"):
                # What forward() adds. get_diff_weight() scales it once more.
                delta = lora.get_weight(lora.shape).detach()
            else:
                delta = own["diff"] if "diff" in own else lora.get_diff_weight()[0].detach()
            deltas[lora.lora_name.removeprefix("lycoris_")] = delta.flatten(1)
        expect(f"lycoris-{name}", deltas)


# PEFT's LoHa and LoKr


@case
def peft_lycoris():
    import peft

    class Tiny(nn.Module):
        def __init__(self):
            super().__init__()
            self.wide, self.tall = nn.Linear(24, 12, bias=False), nn.Linear(12, 36, bias=False)

    for name, config in (
        ("loha", peft.LoHaConfig(r=2, alpha=3, alpha_pattern={"tall": 5}, target_modules=["wide", "tall"])),
        ("lokr", peft.LoKrConfig(r=2, alpha=3, rank_pattern={"tall": 3}, target_modules=["wide", "tall"], decompose_factor=4)),
    ):
        model = peft.get_peft_model(Tiny(), config)
        randomise(model, "hada_" if name == "loha" else "lokr_")
        model.save_pretrained(folder(f"peft-{name}"))
        (HERE / f"peft-{name}" / "README.md").unlink(missing_ok=True)
        model.double()
        expect(
            f"peft-{name}",
            {
                path.removeprefix("base_model.model."): module.get_delta_weight("default").detach()
                for path, module in model.named_modules()
                if hasattr(module, "get_delta_weight")
            },
        )


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name)
        torch.manual_seed(0)
        CASES[name]()
