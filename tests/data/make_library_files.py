"""Has the libraries that train LoRA write tiny adapters, with the update ΔW that each library says they make.

usage: make_library_files.py [CASE...]

Writes `libraries/CASE/...`, as the library saves it, and `libraries/expected/CASE.safetensors`: for each module,
under the name that lorascope shall give it, ΔW in float64 as (d_out, d_in), the library's own (its getter, or merged
minus base weight), of the float32 numbers in the file. A convolution's is flattened to (d_out, c_in·kh·kw).

Models are random and tiny; every A and B is random too, since an untrained B would be zero. README.md has the
versions and says which files no library wrote.
"""

import sys
import warnings
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

warnings.filterwarnings("ignore")
HERE = Path(__file__).parent / "libraries"
CASES = {}


def case(function):
    CASES[function.__name__.replace("_", "-")] = function
    return function


def expect(name, deltas):
    (HERE / "expected").mkdir(parents=True, exist_ok=True)
    flat = {key: delta.detach().double().reshape(delta.shape[0], -1).contiguous() for key, delta in deltas.items()}
    save_file(flat, HERE / "expected" / f"{name}.safetensors")


def randomise(model, *marks):
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if any(mark in name for mark in marks):
                parameter.normal_(0, 0.3)


def llama(task="causal"):
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

    config = LlamaConfig(
        vocab_size=20,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        num_labels=3,
        pad_token_id=0,
    )
    return LlamaForCausalLM(config) if task == "causal" else LlamaForSequenceClassification(config)


# PEFT


def peft_deltas(model, rename=lambda name: name, adapter="default"):
    """ΔW of every LoRA layer in float64, under its name without PEFT's wrapping."""
    model.double()
    deltas = {}
    for name, module in model.named_modules():
        if hasattr(module, "get_delta_weight") and hasattr(module, "lora_A"):
            has = list(module.lora_A) + list(getattr(module, "lora_embedding_A", {}))
            if adapter in has:
                deltas[rename(name.removeprefix("base_model.model."))] = module.get_delta_weight(adapter)
    assert deltas
    return deltas


def short(name):
    for prefix in ("model.", "transformer."):
        name = name.removeprefix(prefix)
    return name


def peft_case(name, base, config, rename=short, fix=lambda deltas: deltas):
    from peft import get_peft_model

    model = get_peft_model(base, config)
    randomise(model, "lora_")
    model.save_pretrained(HERE / name)
    (HERE / name / "README.md").unlink(missing_ok=True)
    expect(name, fix(peft_deltas(model, rename)))
    return model


@case
def peft_plain():
    from peft import LoraConfig

    peft_case("peft-plain", llama(), LoraConfig(r=4, lora_alpha=6, target_modules=["q_proj", "v_proj", "down_proj"]))


@case
def peft_infix():
    """The state of the wrapped model itself, as training loops save it: with the adapter's name in each tensor's."""
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(llama(), LoraConfig(r=3, target_modules=["q_proj"]), adapter_name="mine")
    randomise(model, "lora_")
    (HERE / "peft-infix").mkdir(parents=True, exist_ok=True)
    save_file(
        {k: v for k, v in model.state_dict().items() if "lora_" in k}, HERE / "peft-infix" / "pytorch_model.safetensors"
    )
    expect("peft-infix", {k: d / (8 / 3) for k, d in peft_deltas(model, short, "mine").items()})


@case
def peft_several():
    """Two adapters in one file, of two ranks."""
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(llama(), LoraConfig(r=3, lora_alpha=3, target_modules=["q_proj"]), adapter_name="style")
    model.add_adapter("face", LoraConfig(r=2, lora_alpha=2, target_modules=["q_proj", "v_proj"]))
    randomise(model, "lora_")
    (HERE / "peft-several").mkdir(parents=True, exist_ok=True)
    save_file(
        {k: v for k, v in model.state_dict().items() if "lora_" in k}, HERE / "peft-several" / "two.safetensors"
    )
    for adapter in ("style", "face"):
        expect(f"peft-several-{adapter}", peft_deltas(model, short, adapter))


@case
def peft_patterns():
    from peft import LoraConfig

    config = LoraConfig(
        r=4,
        lora_alpha=6,
        target_modules=["q_proj", "v_proj"],
        rank_pattern={"layers.1.self_attn.q_proj": 2, r"layers\.0\..*v_proj": 3},
        alpha_pattern={"layers.0.self_attn.q_proj": 10, "v_proj": 5},
    )
    peft_case("peft-patterns", llama(), config)


@case
def peft_rslora():
    from peft import LoraConfig

    config = LoraConfig(r=4, lora_alpha=6, use_rslora=True, target_modules=["q_proj"], rank_pattern={"layers.1": 2})
    config.rank_pattern = {"1.self_attn.q_proj": 2}
    peft_case("peft-rslora", llama(), config)


def gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config(vocab_size=20, n_positions=8, n_embd=24, n_layer=2, n_head=2))


def thirds(deltas):
    """Conv1D keeps its weight as (d_in, d_out); q, k and v lie side by side in c_attn's output."""
    out = {}
    for name, delta in deltas.items():
        if name.endswith("c_attn"):
            for letter, part in zip("qkv", delta.T.chunk(3)):
                out[f"{name}.{letter}"] = part
        else:
            out[name] = delta.T
    return out


@case
def peft_gpt2():
    from peft import LoraConfig

    peft_case("peft-gpt2", gpt2(), LoraConfig(r=3, lora_alpha=4, target_modules=["c_attn", "c_fc"]), fix=thirds)


@case
def peft_neox():
    """GPT-NeoX's fused weight interleaves q, k and v by head: one module, whole."""
    from peft import LoraConfig
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    base = GPTNeoXForCausalLM(
        GPTNeoXConfig(vocab_size=20, hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    )
    config = LoraConfig(r=3, lora_alpha=4, target_modules=["query_key_value"])
    peft_case("peft-neox", base, config, rename=lambda name: name.removeprefix("gpt_neox."))


@case
def peft_embedding():
    from peft import LoraConfig

    def fix(deltas):
        return {k: d.T if "embed" in k else d for k, d in deltas.items()}

    peft_case("peft-embedding", llama(), LoraConfig(r=3, lora_alpha=4, target_modules=["embed_tokens", "q_proj"]), fix=fix)


class Convolutions(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(6, 8, 1)
        self.three = nn.Conv2d(6, 8, 3)
        self.line = nn.Conv1d(6, 8, 5)
        self.cube = nn.Conv3d(4, 6, 2)


@case
def peft_conv():
    from peft import LoraConfig

    peft_case("peft-conv", Convolutions(), LoraConfig(r=3, lora_alpha=4, target_modules=["one", "three", "line", "cube"]))


@case
def peft_experts():
    from peft import LoraConfig
    from transformers import MixtralConfig, MixtralForCausalLM

    base = MixtralForCausalLM(
        MixtralConfig(
            vocab_size=20,
            hidden_size=16,
            intermediate_size=20,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
            num_local_experts=3,
            num_experts_per_tok=1,
        )
    )

    def fix(deltas):
        out = {}
        for name, delta in deltas.items():
            if delta.ndim == 2:
                out[name] = delta
                continue
            which = "gate_up_proj" if name.endswith(".base_layer") else "down_proj"
            for expert, part in enumerate(delta):
                out[f"{name.removesuffix('.base_layer')}.{expert}.{which}"] = part
        return out

    config = LoraConfig(
        r=2,
        lora_alpha=3,
        target_modules=["q_proj"],
        target_parameters=["mlp.experts.gate_up_proj", "mlp.experts.down_proj"],
    )
    peft_case("peft-experts", base, config, fix=fix)


@case
def peft_save():
    """modules_to_save beside the factors: a classifier."""
    from peft import LoraConfig

    peft_case("peft-save", llama("classifier"), LoraConfig(task_type="SEQ_CLS", r=2, lora_alpha=2, target_modules=["q_proj"]))


@case
def peft_dora():
    from peft import LoraConfig

    peft_case("peft-dora", llama(), LoraConfig(r=2, lora_alpha=2, use_dora=True, target_modules=["q_proj"]))


@case
def peft_adalora():
    """Saved with the ranks that training left, 3 of 5 in layer 0 and 2 of 5 in layer 1; ΔW as the file loads again."""
    from peft import AdaLoraConfig, PeftModel, get_peft_model

    base = llama()
    config = AdaLoraConfig(init_r=5, target_r=3, lora_alpha=7, total_step=10, target_modules=["q_proj"])
    model = get_peft_model(base, config)
    randomise(model, "lora_")
    model.peft_config["default"].rank_pattern = {
        f"model.layers.{layer}.self_attn.q_proj.lora_E.default": [k < 3 - layer for k in range(5)] for layer in range(2)
    }
    model.save_pretrained(HERE / "peft-adalora")
    (HERE / "peft-adalora" / "README.md").unlink(missing_ok=True)
    again = PeftModel.from_pretrained(llama(), HERE / "peft-adalora")
    expect("peft-adalora", peft_deltas(again, short))


def trained(config, base, mark):
    from peft import get_peft_model

    model = llama()
    model.load_state_dict(base)
    model = get_peft_model(model, config)
    randomise(model, mark)
    return model


@case
def peft_methods():
    """Methods that are not B·A with a factor of its own for each module, and the base model of those that need W."""
    from peft import (
        BOFTConfig,
        C3AConfig,
        HRAConfig,
        IA3Config,
        MissConfig,
        OFTConfig,
        RandLoraConfig,
        VBLoRAConfig,
        VeraConfig,
    )
    from peft.tuners.c3a.utils import get_circulant_fast
    from safetensors.torch import load_file

    on = {"target_modules": ["q_proj", "v_proj"]}
    more = {"target_modules": ["q_proj", "v_proj", "down_proj"]}
    configs = {
        "vera": VeraConfig(r=3, **on),
        "vera-kinds": VeraConfig(r=3, **more),
        "vblora": VBLoRAConfig(r=2, num_vectors=5, vector_length=4, topk=3, **more),
        "c3a": C3AConfig(block_size=4, **more),
        "randlora": RandLoraConfig(r=5, save_projection=True, **on),
        "miss": MissConfig(r=5, **on),
        "miss-bat": MissConfig(r=4, init_weights="bat", **on),
        "miss-mini": MissConfig(r=4, mini_r=6, init_weights="mini", **on),
        "ia3": IA3Config(feedforward_modules=["down_proj"], **more),
        "oft": OFTConfig(oft_block_size=4, **more),
        "oft-exact": OFTConfig(oft_block_size=8, use_cayley_neumann=False, **more),
        "oft-bounded": OFTConfig(oft_block_size=4, coft=True, eps=0.5, **on),
        "oft-shared": OFTConfig(oft_block_size=4, block_share=True, num_cayley_neumann_terms=3, **on),
        "boft": BOFTConfig(boft_block_size=4, **on),
        "hra": HRAConfig(r=2, **more),
        "hra-orthogonal": HRAConfig(r=3, apply_GS=True, **on),
    }
    base = {key: value.clone() for key, value in llama().state_dict().items()}
    ends = ("q_proj.weight", "v_proj.weight", "down_proj.weight")
    (HERE / "peft-methods").mkdir(exist_ok=True)
    weights = {key: value.contiguous() for key, value in base.items() if key.endswith(ends)}
    save_file(weights, HERE / "peft-methods" / "base.safetensors")
    for name, config in configs.items():
        mark = name.split("-")[0] + "_"
        model = trained(config, base, mark)
        folder = HERE / "peft-methods" / name
        model.save_pretrained(folder)
        (folder / "README.md").unlink(missing_ok=True)
        if name == "randlora":
            # Each layer refers to the bases that all share.
            stored = load_file(folder / "adapter_model.safetensors")
            assert any(key == "base_model.randlora_A" for key in stored)
        model.double()
        deltas = {}
        for path, module in list(model.named_modules()):
            if not hasattr(module, "get_base_layer") or not hasattr(module, "merge"):
                continue
            weight = module.get_base_layer().weight
            if name == "c3a":
                # Its own getter rounds to float32.
                delta = get_circulant_fast(module.c3a_kernel["default"].detach()) / weight.size(-1)
            elif mark in ("vera_", "vblora_", "randlora_"):
                delta = module.get_delta_weight("default")
            else:
                before = weight.detach().clone()
                module.merge()
                delta = module.get_base_layer().weight.detach() - before
            deltas[short(path.removeprefix("base_model.model."))] = delta
        expect(f"peft-{name}", deltas)


@case
def peft_others():
    """Files without what makes ΔW, which are named and refused, and files of untrained methods whose ΔW is made of W."""
    from peft import (
        BOFTConfig,
        FourierFTConfig,
        HRAConfig,
        IA3Config,
        OFTConfig,
        RandLoraConfig,
        VBLoRAConfig,
        VeraConfig,
        get_peft_model,
    )

    on = {"target_modules": ["q_proj"]}
    configs = {
        "vera": VeraConfig(r=2, save_projection=False, **on),
        "vblora": VBLoRAConfig(r=2, num_vectors=4, vector_length=4, topk=2, save_only_topk_weights=True, **on),
        "randlora": RandLoraConfig(r=2, save_projection=False, **on),
        "ia3": IA3Config(feedforward_modules=[], **on),
        "oft": OFTConfig(oft_block_size=4, **on),
        "boft": BOFTConfig(boft_block_size=4, **on),
        "fourierft": FourierFTConfig(n_frequency=4, **on),
        "hra": HRAConfig(r=2, **on),
    }
    for name, config in configs.items():
        model = get_peft_model(llama(), config)
        model.save_pretrained(HERE / "refused" / name)
        (HERE / "refused" / name / "README.md").unlink(missing_ok=True)


@case
def glora():
    """LyCORIS's, and the weights of the model that it is for."""
    from lycoris import LycorisNetwork, create_lycoris

    model = nn.ModuleDict({"wide": nn.Linear(24, 12, bias=False), "conv": nn.Conv2d(8, 12, 3, bias=False)})
    LycorisNetwork.apply_preset({"target_module": ["Linear", "Conv2d"], "target_name": []})
    network = create_lycoris(model, 1.0, linear_dim=2, linear_alpha=1, conv_dim=2, conv_alpha=1, algo="glora")
    network.apply_to()
    for parameter in network.parameters():
        parameter.data = torch.randn_like(parameter) * 0.3
    (HERE / "glora").mkdir(exist_ok=True)
    state = {key: value.detach().clone().contiguous() for key, value in network.state_dict().items()}
    save_file(state, HERE / "glora" / "glora.safetensors")
    weights = {f"{path}.weight": module.weight.detach().clone() for path, module in model.items()}
    save_file(weights, HERE / "glora" / "base.safetensors")
    network.double()
    model.double()
    deltas = {lora.lora_name.removeprefix("lycoris_"): lora.get_diff_weight()[0] for lora in network.loras}
    expect("glora", deltas)


class Mixed(nn.ModuleDict):
    """A layer, a convolution, and one with as many outputs as inputs."""

    def __init__(self):
        conv, even = nn.Conv2d(8, 16, 3, bias=False), nn.Conv2d(8, 8, 3, bias=False)
        super().__init__({"wide": nn.Linear(32, 16, bias=False), "conv": conv, "even": even})


@case
def peft_newer():
    """Methods that came later, convolutions of (IA)³ and BOFT, and BOFT's butterflies, and the weights of the model that they are for.

    PEFT makes butterflies only where its CUDA extension is compiled, which puts blocks onto a diagonal: here torch does that.
    """
    from types import SimpleNamespace

    from peft import BOFTConfig, DeloraConfig, GloraConfig, HiraConfig, IA3Config, ShiraConfig, get_peft_model
    from peft.tuners.boft import layer as boft

    boft.get_fbd_cuda = lambda: True
    boft.FastBlockDiag = SimpleNamespace(
        apply=lambda factors: torch.stack([torch.block_diag(*blocks) for blocks in factors])
    )
    wide, all_three = {"target_modules": ["wide"]}, {"target_modules": ["wide", "conv", "even"]}
    configs = {
        "glora": GloraConfig(r=3, **wide),
        "glora-vector": GloraConfig(config_A_B="vector", **wide),
        "glora-constant": GloraConfig(config_A_B="constant", **wide),
        "hira": HiraConfig(r=3, **wide),
        "delora": DeloraConfig(r=3, **wide),
        "shira": ShiraConfig(r=2, random_seed=3, **wide),
        "ia3": IA3Config(feedforward_modules=["even"], **all_three),
        "boft": BOFTConfig(boft_block_size=4, boft_n_butterfly_factor=3, **wide),
        "boft-conv": BOFTConfig(boft_block_size=4, boft_n_butterfly_factor=2, **all_three),
    }
    base = {key: value.clone() for key, value in Mixed().state_dict().items()}
    (HERE / "peft-newer").mkdir(exist_ok=True)
    save_file(base, HERE / "peft-newer" / "base.safetensors")
    for name, config in configs.items():
        model = Mixed()
        model.load_state_dict(base)
        model = get_peft_model(model, config)
        randomise(model, name.split("-")[0] + "_")
        folder = HERE / "peft-newer" / name
        model.save_pretrained(folder)
        (folder / "README.md").unlink(missing_ok=True)
        model.double()
        for module in model.modules():
            if hasattr(module, "delora_w_norm"):
                # As PEFT leaves it: `double` does not reach it.
                module.delora_w_norm["default"] = module.delora_w_norm["default"].double()
        deltas = {}
        for path, module in list(model.named_modules()):
            if hasattr(module, "get_base_layer") and hasattr(module, "merge"):
                before = module.get_base_layer().weight.detach().clone()
                module.merge()
                deltas[path.removeprefix("base_model.model.")] = module.get_base_layer().weight.detach() - before
        expect(f"peft-newer-{name}", deltas)


@case
def lycoris_methods():
    """LyCORIS's (IA)³, Diag-OFT and BOFT, with and without bounds and scales, and the weights of the model that they are for."""
    from unittest import mock

    from lycoris import LycorisNetwork, create_lycoris
    from lycoris.modules.ia3 import IA3Module

    folder = HERE / "lycoris-methods"
    folder.mkdir(exist_ok=True)
    base = {key: value.clone() for key, value in Mixed().state_dict().items()}
    save_file(base, folder / "base.safetensors")
    LycorisNetwork.apply_preset({"target_module": ["Linear", "Conv2d"], "target_name": []})
    cases = {
        "ia3": {"algo": "ia3"},
        "ia3-input": {"algo": "ia3"},
        "oft": {"algo": "diag-oft"},
        "oft-bounded": {"algo": "diag-oft", "constraint": 0.02, "rescaled": True},
        "boft": {"algo": "boft"},
        "boft-bounded": {"algo": "boft", "constraint": 0.05, "rescaled": True},
    }
    for name, options in cases.items():
        model = Mixed()
        model.load_state_dict(base)
        network = create_lycoris(model, 1.0, linear_dim=4, linear_alpha=1, conv_dim=4, conv_alpha=1, **options)
        if name == "ia3-input":
            # What builds a network does not hand this on to its modules.
            network = nn.ModuleDict({f"lycoris_{path}": IA3Module(path, layer, train_on_input=True) for path, layer in model.items()})
            modules = dict(network.items())
        else:
            network.apply_to()
            modules = {module.lora_name: module for module in network.loras}
        for parameter in network.parameters():
            parameter.data = parameter.data + torch.randn_like(parameter) * 0.3
        state = {key: value.detach().clone().contiguous() for key, value in network.state_dict().items()}
        state = {key: value for key, value in state.items() if "org_module" not in key}
        save_file(state, folder / f"{name}.safetensors")
        network.double()
        model.double()
        # Rotations are rounded to float32 otherwise.
        with mock.patch.object(torch.Tensor, "float", torch.Tensor.double):
            deltas = {
                name.removeprefix("lycoris_"): module.get_diff_weight()[0] for name, module in modules.items()
            }
        expect(f"lycoris-{name}", deltas)


# loralib


class Gpt(nn.Module):
    """The attention of two GPT-2 blocks, as the LoRA authors adapt it: q and v in the first, all three in the second."""

    def __init__(self):
        import loralib

        super().__init__()
        common = {"r": 3, "lora_alpha": 6, "fan_in_fan_out": True}
        blocks = [
            loralib.MergedLinear(24, 72, enable_lora=[True, False, True], **common),
            loralib.MergedLinear(24, 72, enable_lora=[True, True, True], **common),
        ]
        self.h = nn.ModuleList(nn.ModuleDict({"attn": nn.ModuleDict({"c_attn": block})}) for block in blocks)
        self.lm_head = loralib.Linear(24, 20, r=3, lora_alpha=6)
        self.wte = loralib.Embedding(20, 24, r=3, lora_alpha=6)


@case
def loralib():
    import loralib

    model = nn.ModuleDict({"transformer": Gpt()})
    randomise(model, "lora_")
    (HERE / "loralib").mkdir(parents=True, exist_ok=True)
    state = loralib.lora_state_dict(model)
    torch.save(state, HERE / "loralib" / "gpt2_lora.pt")
    save_file({k: v.contiguous() for k, v in state.items()}, HERE / "loralib" / "gpt2_lora.safetensors")
    model.double().train()
    layers = {name: module for name, module in model.named_modules() if hasattr(module, "lora_A")}
    base = {name: module.weight.detach().clone() for name, module in layers.items()}
    model.eval()
    deltas = {}
    for name, module in layers.items():
        # Without the scaling 6 / 3, which the file does not have.
        delta = (module.weight.detach() - base[name]) / 2
        name = short(name)
        if name.endswith("c_attn"):
            for letter, part in zip("qkv", delta.T.chunk(3)):
                if part.abs().max() > 0:
                    deltas[f"{name}.{letter}"] = part
        else:
            deltas[name] = delta.T if name == "wte" else delta
    expect("loralib", deltas)


# diffusers


def unet():
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=12,
        attention_head_dim=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )


def clip():
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=20,
            hidden_size=16,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=8,
            projection_dim=16,
        )
    )


def adapted(model, **options):
    import transformers.integrations.peft
    from peft import LoraConfig

    # transformers asks for a newer PEFT than there is, for what is not used here.
    transformers.integrations.peft.check_peft_version = lambda **_: None

    model.add_adapter(LoraConfig(**options))
    randomise(model, "lora_")
    return model


ATTENTION = r"(down_blocks\.0|mid_block).*attn[12]\.(to_q|to_out\.0)"


@case
def diffusers_new():
    from diffusers import StableDiffusionPipeline
    from diffusers.utils import convert_state_dict_to_diffusers
    from peft.utils import get_peft_model_state_dict

    a_unet = adapted(unet(), r=2, lora_alpha=3, target_modules=ATTENTION + r"|.*down_blocks\.0\.resnets\.0\.conv1")
    text = adapted(clip(), r=2, lora_alpha=5, target_modules=["q_proj", "out_proj"])
    options = {
        "unet_lora_layers": convert_state_dict_to_diffusers(get_peft_model_state_dict(a_unet)),
        "text_encoder_lora_layers": convert_state_dict_to_diffusers(get_peft_model_state_dict(text)),
    }
    StableDiffusionPipeline.save_lora_weights(
        HERE / "diffusers-new",
        unet_lora_adapter_metadata=a_unet.peft_config["default"].to_dict(),
        text_encoder_lora_adapter_metadata=text.peft_config["default"].to_dict(),
        **options,
    )
    StableDiffusionPipeline.save_lora_weights(HERE / "diffusers-bin", safe_serialization=False, **options)
    # PEFT's own suffixes behind diffusers' prefixes.
    plain = {"unet_lora_layers": get_peft_model_state_dict(a_unet), "text_encoder_lora_layers": get_peft_model_state_dict(text)}
    StableDiffusionPipeline.save_lora_weights(HERE / "diffusers-peft", **plain)
    deltas = peft_deltas(a_unet) | peft_deltas(text, lambda name: f"text_encoder.{clip_path(name)}")
    expect("diffusers-new", deltas)
    # Without metadata diffusers takes alpha = r.
    scale = lambda name: 2 / 5 if name.startswith("text_encoder") else 2 / 3
    unscaled = {name: delta * scale(name) for name, delta in deltas.items()}
    expect("diffusers-bin", unscaled)
    expect("diffusers-peft", unscaled)


def clip_path(name):
    return name.removeprefix("text_model.")


# kohya's names, written by LyCORIS


def lycoris_case(name, network, paths, keep=lambda name: True, metadata=None, fix=lambda deltas: deltas):
    """The modules to keep as the network's own state has them, and ΔW as each gives it, under the path of the weight that
    it adapts."""
    state, deltas = {}, {}
    for lora in network.loras:
        if not keep(lora.lora_name):
            continue
        randomise(lora, "lora_")
        for key, value in lora.state_dict().items():
            if not key.startswith("org_module"):
                state[f"{lora.lora_name}.{key}"] = value.clone().contiguous()
        deltas[paths[lora.lora_name]] = lora.double().get_diff_weight()[0]
    (HERE / name).mkdir(parents=True, exist_ok=True)
    save_file(state, HERE / name / f"{name}.safetensors", metadata)
    expect(name, fix(deltas))


def joined(model, front, component=""):
    return {f"{front}_{path}".replace(".", "_"): component + path for path, _ in model.named_modules()}


SS = {
    "ss_network_module": "lycoris.kohya",
    "ss_base_model_version": "sd_v1",
    "ss_sd_model_name": "tiny",
    "ss_training_started_at": "1700000000.5",
    "ss_training_finished_at": "1700003600.5",
}


@case
def kohya_sd():
    from lycoris.kohya import LycorisNetworkKohya

    parts = [unet(), clip(), clip()]
    LycorisNetworkKohya.apply_preset({"unet_target_module": ["Transformer2DModel", "ResnetBlock2D"], "unet_target_name": []})
    network = LycorisNetworkKohya(
        parts[1:], parts[0], lora_dim=2, alpha=1.5, conv_lora_dim=2, conv_alpha=1.0, network_module="locon"
    )
    paths = joined(parts[0], "lora_unet")
    paths |= joined(parts[1], "lora_te1", "text_encoder.") | joined(parts[2], "lora_te2", "text_encoder_2.")
    kept = ("attn1_to_out_0", "attn2_to_q", "resnets_0_conv1", "layers_1_self_attn_q", "ff_net_0")
    lycoris_case("kohya-sd", network, paths, lambda name: any(mark in name for mark in kept), SS)


@case
def kohya_llm():
    from lycoris import LycorisNetwork, create_lycoris

    model = llama()
    LycorisNetwork.apply_preset({"target_module": ["LlamaAttention"]})
    network = create_lycoris(model, 1.0, linear_dim=2, linear_alpha=3.0, algo="lora")
    paths = {key: short(path) for key, path in joined(model, "lycoris").items()}
    lycoris_case("kohya-llm", network, paths, lambda name: "q_proj" in name)


class DoubleStreamBlock(nn.Module):
    def __init__(self, d):
        super().__init__()
        for part in ("img", "txt"):
            self.add_module(f"{part}_mod", nn.ModuleDict({"lin": nn.Linear(d, 6 * d)}))
            self.add_module(f"{part}_attn", nn.ModuleDict({"qkv": nn.Linear(d, 3 * d), "proj": nn.Linear(d, d)}))
            self.add_module(f"{part}_mlp", nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d)))


class SingleStreamBlock(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.linear1 = nn.Linear(d, 7 * d)
        self.linear2 = nn.Linear(5 * d, d)
        self.modulation = nn.ModuleDict({"lin": nn.Linear(d, 3 * d)})


class Flux(nn.Module):
    """Blocks with the names and shapes of Flux's own code, of width 12 for 3072."""

    def __init__(self):
        super().__init__()
        self.double_blocks = nn.ModuleList([DoubleStreamBlock(12)])
        self.single_blocks = nn.ModuleList([SingleStreamBlock(12)])


@case
def kohya_flux():
    from lycoris.kohya import create_network

    model = Flux()
    network = create_network(1.0, 2, 2.0, None, [], model, algo="lora")
    double = {"img_attn.proj": "attn.to_out.0", "txt_attn.proj": "attn.to_add_out"}
    double |= {"img_mlp.0": "ff.net.0.proj", "img_mlp.2": "ff.net.2"}
    double |= {"txt_mlp.0": "ff_context.net.0.proj", "txt_mlp.2": "ff_context.net.2"}
    double |= {"img_mod.lin": "norm1.linear", "txt_mod.lin": "norm1_context.linear"}
    single = {"linear2": "proj_out", "modulation.lin": "norm.linear"}

    def fix(deltas):
        out = {}
        for name, delta in deltas.items():
            kind, number, end = name.split(".", 2)
            front = f"{'transformer_blocks' if kind == 'double_blocks' else 'single_transformer_blocks'}.{number}."
            if end == "img_attn.qkv":
                ends = ["attn.to_q", "attn.to_k", "attn.to_v"]
            elif end == "txt_attn.qkv":
                ends = ["attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj"]
            elif end == "linear1":
                ends = ["attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"]
            else:
                out[front + (double | single)[end]] = delta
                continue
            sizes = [12, 12, 12, 48][: len(ends)]
            out |= {front + end: part for end, part in zip(ends, delta.split(sizes))}
        return out

    lycoris_case("kohya-flux", network, joined(model, "lora_unet"), fix=fix)


# MLX


@case
def mlx():
    import mlx.core as mx
    import numpy as np
    from mlx.utils import tree_flatten
    from mlx_lm.models.llama import Model, ModelArgs
    from mlx_lm.tuner.utils import linear_to_lora_layers
    from mlx_lm.utils import save_config

    mx.set_default_device(mx.cpu)
    mx.random.seed(0)
    args = ModelArgs(
        model_type="llama",
        hidden_size=24,
        num_hidden_layers=2,
        intermediate_size=40,
        num_attention_heads=2,
        num_key_value_heads=1,
        rms_norm_eps=1e-5,
        vocab_size=20,
    )
    model = Model(args)
    model.freeze()
    parameters = {"rank": 3, "scale": 7.0, "dropout": 0.0, "keys": ["self_attn.q_proj", "self_attn.v_proj"]}
    linear_to_lora_layers(model, 2, parameters)
    weights = dict(tree_flatten(model.trainable_parameters()))
    weights = {name: mx.random.normal(value.shape) * 0.3 for name, value in weights.items() if "lora_" in name}
    model.load_weights(list(weights.items()), strict=False)
    folder = HERE / "mlx"
    folder.mkdir(parents=True, exist_ok=True)
    mx.save_safetensors(str(folder / "adapters.safetensors"), weights)
    mx.savez(str(folder / "adapters.npz"), **weights)
    config = {"model": "tiny", "fine_tune_type": "lora", "num_layers": 2, "lora_parameters": parameters}
    save_config(config, folder / "adapter_config.json")
    deltas = {}
    for name, module in model.named_modules():
        if hasattr(module, "lora_a"):
            module.set_dtype(mx.float64)
            before = np.array(module.linear.weight)
            deltas[short(name)] = torch.from_numpy(np.array(module.fuse().weight) - before)
    expect("mlx", deltas)


# TorchTune


@case
def torchtune():
    """Needs a torchao that PEFT refuses: run it alone, with that one first in PYTHONPATH."""
    from torchtune.models.llama3 import lora_llama3
    from torchtune.modules.peft import get_adapter_params, get_merged_lora_ckpt

    model = lora_llama3(
        lora_attn_modules=["q_proj", "v_proj"],
        vocab_size=20,
        num_layers=2,
        num_heads=2,
        num_kv_heads=1,
        embed_dim=24,
        max_seq_len=8,
        intermediate_dim=40,
        lora_rank=3,
        lora_alpha=6,
    )
    randomise(model, "lora_")
    adapter = {k: v.detach().clone().contiguous() for k, v in get_adapter_params(model).items()}
    (HERE / "torchtune").mkdir(parents=True, exist_ok=True)
    torch.save(adapter, HERE / "torchtune" / "adapter_0.pt")
    save_file(adapter, HERE / "torchtune" / "adapter_0.safetensors")
    state = {k: v.double() for k, v in model.state_dict().items()}
    base = {k: v.clone() for k, v in state.items()}
    merged = get_merged_lora_ckpt(state, rank=3, alpha=6)
    names = {k.removesuffix(".lora_a.weight") for k in adapter if k.endswith(".lora_a.weight")}
    # Without the scaling 6 / 3, which the file does not have.
    expect("torchtune", {n: (merged[f"{n}.weight"] - base[f"{n}.weight"]) / 2 for n in sorted(names)})


# Paths of real models


@case
def module_paths():
    """One path of each kind, whatever its numbers, of the weights of SD 1.5, SDXL, Flux and their text encoders."""
    import re

    from diffusers import FluxTransformer2DModel, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    sdxl = {
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "block_out_channels": (320, 640, 1280),
        "transformer_layers_per_block": (1, 2, 10),
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
        "use_linear_projection": True,
    }
    with torch.device("meta"):
        models = {
            "lora_unet": [UNet2DConditionModel(), UNet2DConditionModel(**sdxl), FluxTransformer2DModel(guidance_embeds=True)],
            "lora_te1": [CLIPTextModel(CLIPTextConfig())],
            "lora_te3": [T5EncoderModel(T5Config(feed_forward_proj="gated-gelu"))],
        }
    lines = {}
    for front, some in models.items():
        for model in some:
            for path, module in model.named_modules():
                if isinstance(module, (nn.Linear, nn.Conv2d)):
                    name = f"{front}_{path}".replace(".", "_")
                    lines.setdefault(re.sub(r"\d+", "0", name), f"{name} {path}")
    (HERE / "module_paths.txt").write_text("\n".join(sorted(lines.values())) + "\n")


# Files that no library here writes


def product(b, a):
    return b.double() @ a.double()


@case
def by_hand():
    """In the layouts that the readers of these files have: cloneofsimo's lora_diffusion, NeMo and Megatron Bridge, and the
    oldest diffusers."""
    folder = HERE / "by-hand"
    folder.mkdir(parents=True, exist_ok=True)
    pair = lambda r, d_in, d_out: (torch.randn(r, d_in) * 0.3, torch.randn(d_out, r) * 0.3)

    # lora_diffusion's save_lora_weight: up and down of each module in turn, in F16, as a list.
    tensors, deltas = [], {}
    for number, (d_in, d_out) in enumerate([(16, 16), (12, 16), (16, 32)]):
        a, b = (factor.half() for factor in pair(2, d_in, d_out))
        tensors += [b, a]
        deltas[str(number)] = product(b, a)
    torch.save(tensors, folder / "lora_weight.pt")
    torch.save(tensors, folder / "lora_weight_legacy.pt", _use_new_zipfile_serialization=False)
    expect("lora-weight", deltas)

    state, deltas = {}, {}
    for layer, kind, d_in, d_out in [
        (0, "self_attention.linear_qkv", 24, 48),
        (0, "mlp.linear_fc1", 24, 80),
        (1, "self_attention.linear_qkv", 24, 48),
    ]:
        a, b = pair(3, d_in, d_out)
        name = f"decoder.layers.{layer}.{kind}"
        state[f"model.{name}.adapter.linear_in.weight"] = a
        state[f"model.{name}.adapter.linear_out.weight"] = b
        deltas[name] = product(b, a)
    save_file(state, folder / "megatron.safetensors")
    expect("megatron", deltas)

    state, deltas = {}, {}
    for last, module in [("to_q_lora", "to_q"), ("to_out_lora", "to_out.0")]:
        a, b = pair(2, 16, 16)
        front = "mid_block.attentions.0.transformer_blocks.0.attn1"
        state[f"{front}.{last}.down.weight"], state[f"{front}.{last}.up.weight"] = a, b
        deltas[f"{front}.{module}"] = product(b, a)
    save_file(state, folder / "diffusers_oldest.safetensors")
    expect("diffusers-oldest", deltas)


def main(names):
    for name in names or [name for name in CASES if name != "torchtune"]:
        print(name)
        torch.manual_seed(0)
        CASES[name]()


if __name__ == "__main__":
    main(sys.argv[1:])
