"""Live models of torch and peft, which are some gigabytes to install: bash tests/python-heavy.sh."""

import numpy as np
import pytest
from conftest import DATA, factors

import lorascope as ls

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


def model_of(torch, seed, **options):
    """A tiny model with an adapter whose B was trained."""
    import peft

    class Attention(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.q_proj = torch.nn.Linear(24, 16)
            self.v_proj = torch.nn.Linear(24, 16)

    class Tiny(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.ModuleList([Attention() for _ in range(2)])

    torch.manual_seed(0)
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], init_lora_weights=False, **options)
    torch.manual_seed(seed)
    return peft.get_peft_model(Tiny(), config)


@pytest.mark.parametrize("options", [{}, {"use_rslora": True}, {"rank_pattern": {"v_proj": 2}, "alpha_pattern": {"v_proj": 3}}])
def test_a_live_model_counts_as_what_it_saves(torch, tmp_path, options):
    models = [model_of(torch, seed, **options) for seed in (1, 2)]
    paths = [tmp_path / str(at) for at in range(2)]
    for model, path in zip(models, paths):
        model.save_pretrained(path)
    live, saved = ls.compare(*models), ls.compare(*paths)
    assert len(live) == 4 and list(live) == list(saved)
    for name in live:
        assert np.array_equal(live[name].phi, saved[name].phi)
        assert (live[name].cosine, live[name].norm_a) == (saved[name].cosine, saved[name].norm_a)
    assert ls.open(models[0]).modules == ls.open(paths[0]).modules
    assert ls.compare(models[0], paths[0]).relation == "same factors"


def test_a_live_model_is_read_as_it_is_now(torch):
    model = model_of(torch, 1)
    before = ls.open(model)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.mul_(-1)
    assert ls.compare(before, model).relation == "negated"


def test_one_of_several_adapters_is_named(torch):
    import peft

    model = model_of(torch, 1)
    model.add_adapter("other", peft.LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False))
    assert [module.rank for module in ls.open(model).modules] == [4] * 4
    assert [module.rank for module in ls.open(model, adapter_name="other").modules] == [2] * 2
    with pytest.raises(ls.InvalidError, match="one of default, other"):
        ls.open(model, adapter_name="third")


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_tensors_of_any_type_count_as_their_file_does(torch, tmp_path, dtype):
    from safetensors.torch import save_file

    def tensors(seed):
        return {
            name: tuple(torch.from_numpy(factor).to(getattr(torch, dtype)) for factor in pair)
            for name, pair in factors(seed).items()
        }

    paths = []
    for seed in (1, 2):
        path = tmp_path / f"{seed}.safetensors"
        flat = {f"{name}.lora_{letter}.weight": part for name, pair in tensors(seed).items() for letter, part in zip("AB", pair)}
        save_file({name: part.contiguous() for name, part in flat.items()}, path)
        paths.append(path)
    memory, files = ls.compare(tensors(1), tensors(2)), ls.compare(*paths)
    for name in files:
        assert np.array_equal(memory[name].phi, files[name].phi)
    # What needs gradients, and views, are tensors too.
    turned = {name: (a.T.contiguous().T.requires_grad_(), b[:, :]) for name, (a, b) in tensors(1).items()}
    assert ls.compare(turned, tensors(1))["0.self_attn.q_proj"].cosine == pytest.approx(1.0)


def test_a_state_dict_of_torch_is_read_in_its_own_names(torch):
    path = DATA / "libraries" / "diffusers-bin"
    file = next(path.rglob("*.bin"))
    state = torch.load(file, weights_only=True)
    assert ls.open(state).modules == ls.open(file).modules
