"""Writes libraries/gguf/*.gguf with PyPI's gguf 0.19.0, and libraries/expected/gguf-*.safetensors with numpy and safetensors:

    python tests/data/make_gguf_files.py

The tensors are named, laid out and, for Llama, permuted as llama.cpp's convert_lora_to_gguf.py does it. The expected updates are
alpha/r times B times A, in float64, of the numbers that gguf's own dequantize gives. gguf cannot write the K types: Q4_K is
quantised here in the plainest way, and types.gguf has random blocks with finite scales; it has no Q8_K, which is taken as ggml's C code takes it.
"""

from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T
from safetensors.numpy import save_file

HERE = Path(__file__).parent / "libraries"
FOLDER, EXPECTED = HERE / "gguf", HERE / "expected"


def stored(values, kind):
    """The bytes of these numbers in a type, and the numbers that they are."""
    values = values.astype(np.float32)
    if kind == T.F32:
        return values, values
    if kind == T.F64:
        return values.astype(np.float64), values
    raw = gguf.quants.quantize(values, kind)
    return raw, gguf.quants.dequantize(raw.view(np.uint8) if kind != T.F16 else raw, kind)


def writer(name, architecture, alpha=None, base=None, alignment=None):
    out = gguf.GGUFWriter(FOLDER / f"{name}.gguf", architecture)
    if alignment:
        out.add_custom_alignment(alignment)
    out.add_type(gguf.GGUFType.ADAPTER)
    out.add_string(gguf.Keys.Adapter.TYPE, "lora")
    if alpha is not None:
        out.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    out.add_name("Some adapter")
    if base:
        out.add_base_model_count(1)
        out.add_base_model_name(0, base.split("/")[1].replace("-", " "))
        out.add_base_model_repo_url(0, f"https://huggingface.co/{base}")
    return out


def close(out):
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def add(out, name, values, kind):
    """Adds a tensor, and gives the numbers that are stored in it."""
    raw, numbers = stored(values, kind)
    out.add_tensor(name, raw, raw_dtype=kind)
    return numbers.astype(np.float64)


def pair(out, module, a, b, kinds, scaling):
    """Adds A, (r, d_in), and B, (d_out, r), and gives the update."""
    is_embedding = module == "token_embd"
    a = add(out, f"{module}.weight.lora_a", a.T if is_embedding else a, kinds[0])
    b = add(out, f"{module}.weight.lora_b", b, kinds[1])
    return scaling * (b @ (a.T if is_embedding else a))


def permute(rows, n_head):
    """LlamaModel.permute of llama.cpp's conversion/llama.py."""
    halves = rows.reshape(n_head, 2, rows.shape[0] // n_head // 2, *rows.shape[1:])
    return halves.swapaxes(1, 2).reshape(rows.shape)


def random_blocks(rng, kind, n_blocks):
    """Blocks of a type, of random bytes but for the f16 scales, the last a subnormal, and the numbers that they are."""
    _, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (n_blocks, size), dtype=np.uint8)
    halves = {T.Q4_1: [0, 2], T.Q5_1: [0, 2], T.Q2_K: [80, 82], T.Q3_K: [108], T.Q6_K: [208]}
    halves[T.Q4_K] = halves[T.Q5_K] = [0, 2]
    if kind == T.Q8_K:
        d = rng.standard_normal(n_blocks).astype(np.float32)
        blocks[:, :4] = d.view(np.uint8).reshape(n_blocks, 4)
        return blocks, d[:, None] * blocks[:, 4:260].view(np.int8).astype(np.float32)
    for at in halves.get(kind, [0]):
        d = (rng.standard_normal(n_blocks) * 0.02).astype(np.float16)
        d[-1] = np.float16(3e-7)
        blocks[:, at : at + 2] = d.view(np.uint8).reshape(n_blocks, 2)
    return blocks, gguf.quants.dequantize(blocks, kind)


def q4_k(values):
    """Blocks of Q4_K near these numbers, (blocks, 256)."""
    groups = values.reshape(-1, 8, 32)
    offset = np.maximum(-groups.min(axis=2), 0)
    scale = (groups.max(axis=2) + offset) / 15
    d, d_min = ((x.max(axis=1, keepdims=True) / 63).astype(np.float16) for x in (scale, offset))
    sc, m = (np.rint(x / y.astype(float)).clip(0, 63).astype(np.uint8) for x, y in ((scale, d), (offset, d_min)))
    q = np.rint((groups + (d_min * m.astype(float))[..., None]) / (d * sc.astype(float))[..., None]).clip(0, 15).astype(np.uint8)
    packed = [sc[:, :4] | (sc[:, 4:] >> 4) << 6, m[:, :4] | (m[:, 4:] >> 4) << 6, sc[:, 4:] & 15 | (m[:, 4:] & 15) << 4]
    numbers = (q[:, 0::2] | q[:, 1::2] << 4).reshape(len(q), 128)
    return np.concatenate([d.view(np.uint8), d_min.view(np.uint8), *packed, numbers], axis=1)


def main():
    FOLDER.mkdir(exist_ok=True)
    rng = np.random.default_rng(16)
    normal = lambda *shape: rng.standard_normal(shape)
    expected = {}

    def save(case, updates):
        save_file({name: np.ascontiguousarray(value) for name, value in updates.items()}, EXPECTED / f"gguf-{case}.safetensors")

    # Every kind of module, and the two ends of the model.
    out = writer("f32", "qwen2", 8.0, "Qwen/Qwen2.5-0.5B")
    shapes = {
        "blk.0.attn_q": ("layers.0.self_attn.q_proj", 16, 16),
        "blk.0.attn_k": ("layers.0.self_attn.k_proj", 16, 8),
        "blk.0.attn_output": ("layers.0.self_attn.o_proj", 16, 16),
        "blk.10.ffn_down": ("layers.10.mlp.down_proj", 20, 16),
        "token_embd": ("embed_tokens", 24, 16),
        "output": ("lm_head", 16, 24),
    }
    updates = {}
    for module, (name, d_in, d_out) in shapes.items():
        updates[name] = pair(out, module, normal(4, d_in), normal(d_out, 4), [T.F32, T.F32], 8.0 / 4)
    close(out)
    save("f32", updates)

    # The types that the converter writes, and one for A only whose blocks no B of low rank has rows for.
    orthogonal = lambda: np.linalg.qr(normal(32, 32))[0]
    cases = {
        "f16": ([T.F16, T.F16], normal(4, 16), normal(16, 4), None),
        "bf16": ([T.BF16, T.BF16], normal(4, 16), normal(16, 4), 64),
        "q8_0": ([T.Q8_0, T.Q8_0], orthogonal(), orthogonal(), None),
    }
    for case, (kinds, a, b, alignment) in cases.items():
        out = writer(case, "qwen2", 16.0, alignment=alignment)
        name = "layers.0.self_attn.v_proj"
        save(case, {name: pair(out, "blk.0.attn_v", a, b, kinds, 16.0 / a.shape[0])})
        close(out)
    out = writer("q4_k", "qwen2", 4.0)
    blocks = q4_k(normal(2, 256))
    out.add_tensor("blk.0.attn_v.weight.lora_a", blocks, raw_dtype=T.Q4_K)
    a = gguf.quants.dequantize(blocks, T.Q4_K)
    b = add(out, "blk.0.attn_v.weight.lora_b", normal(4, 2), T.F16)
    close(out)
    save("q4_k", {"layers.0.self_attn.v_proj": 4.0 / 2 * (b @ a.astype(np.float64))})

    # A stack of experts.
    out = writer("experts", "qwen3moe", 6.0)
    a, b = normal(3, 2, 16), normal(3, 8, 2)
    add(out, "blk.1.ffn_up_exps.weight.lora_a", a, T.F32)
    add(out, "blk.1.ffn_up_exps.weight.lora_b", b, T.F32)
    close(out)
    a, b = (x.astype(np.float32).astype(np.float64) for x in (a, b))
    save("experts", {f"layers.1.mlp.experts.{e}.up_proj": 3.0 * (b[e] @ a[e]) for e in range(3)})

    # Llama: 4 heads of q and 2 of k, with 8 rows each. Files of adapters have no head counts, those of models have.
    q, k, v = ([normal(2, 16), normal(d_out, 2)] for d_out in (32, 16, 16))
    for case, has_counts in [("llama", True), ("llama-without-heads", False)]:
        out = writer(case, "llama", 2.0)
        if has_counts:
            out.add_head_count(4)
            out.add_head_count_kv(2)
        updates = {}
        for name, (a, b), n_head in [("q", q, 4), ("k", k, 2), ("v", v, None)]:
            rows = b if n_head is None else permute(b, n_head)
            pair(out, f"blk.0.attn_{name}", a, rows, [T.F32, T.F32], 1.0)
            a, b = (x.astype(np.float32).astype(np.float64) for x in (a, b))
            updates[f"layers.0.self_attn.{name}_proj"] = b @ a
        close(out)
    save("llama", updates)

    # Every quantised type, as A, with the numbers that it is.
    out = writer("types", "qwen2")
    kinds = [T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0, T.Q2_K, T.Q3_K, T.Q4_K, T.Q5_K, T.Q6_K, T.Q8_K, T.IQ4_NL]
    numbers = {}
    for layer, kind in enumerate(kinds):
        per_block = gguf.GGML_QUANT_SIZES[kind][0]
        blocks, values = random_blocks(rng, kind, 512 // per_block)
        raw = blocks.reshape(2, -1)
        out.add_tensor(f"blk.{layer}.attn_v.weight.lora_a", raw, raw_dtype=kind)
        add(out, f"blk.{layer}.attn_v.weight.lora_b", normal(4, 2), T.F64 if layer == 0 else T.F32)
        numbers[kind.name] = values.reshape(2, 256).astype(np.float32)
    close(out)
    save("types", numbers)

    # A model, with what the files of models have before their tensors.
    out = gguf.GGUFWriter(FOLDER / "model.gguf", "llama")
    out.add_name("A model")
    out.add_head_count(2)
    out.add_tokenizer_model("gpt2")
    out.add_token_list([f"token {n}" for n in range(24)])
    out.add_token_scores([0.5] * 24)
    for name, shape, kind in [
        ("token_embd.weight", (24, 32), T.Q8_0),
        ("blk.0.attn_q.weight", (32, 32), T.Q4_0),
        ("blk.0.attn_norm.weight", (32,), T.F32),
        ("output_norm.weight", (32,), T.F32),
    ]:
        add(out, name, normal(*shape), kind)
    close(out)


main()
