"""Layer and projection of a module, from its name."""

from __future__ import annotations

import numpy as np
import pytest

import lorascope as ls


@pytest.mark.parametrize(
    ("name", "layer", "projection"),
    [
        ("model.layers.12.self_attn.q_proj", 12, "q"),
        ("model.layers.0.mlp.down_proj", 0, "down"),
        # Both end with "dense".
        ("encoder.layer.3.attention.output.dense", 3, "o"),
        ("encoder.layer.3.output.dense", 3, "down"),
        ("transformer.h.7.attn.c_attn", 7, "qkv"),
        ("classifier.out", None, None),
    ],
)
def test_a_module_knows_its_layer_and_its_projection(name, layer, projection):
    random = np.random.default_rng(0)
    adapter = {name: (random.standard_normal((4, 32)), random.standard_normal((24, 4)))}
    (module,) = ls.compare(adapter, adapter, side="b").values()
    assert (module.layer, module.projection) == (layer, projection)
