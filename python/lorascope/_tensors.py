"""Arrays of numpy, torch and others as the bytes of a safetensors file."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from ._errors import make

_OF_TORCH = {
    "torch.bfloat16": ("BF16", "int16"),
    "torch.float8_e4m3fn": ("F8_E4M3", "uint8"),
    "torch.float8_e5m2": ("F8_E5M2", "uint8"),
}
_OF_NUMPY = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint8": "U8",
    "bool": "BOOL",
}


def of_tensors(tensors: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> bytes:
    """A safetensors file of named tensors: arrays of numpy, tensors of torch, or what numpy.asarray takes."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    parts: list[bytes] = []
    end = 0
    for name, tensor in tensors.items():
        dtype, shape, data = _stored(name, tensor)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [end, end + len(data)]}
        end += len(data)
        parts.append(data)
    text = json.dumps(header, ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def _stored(name: str, tensor: Any) -> tuple[str, list[int], bytes]:
    """A tensor's type, shape and bytes."""
    import numpy as np

    dtype: str | None = None
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu().contiguous()
        shape = list(tensor.shape)
        if (known := _OF_TORCH.get(str(tensor.dtype))) is not None:
            dtype, bits = known
            # Numpy has no such type, but it has its bits.
            tensor = tensor.view(getattr(sys.modules["torch"], bits))
        array = tensor.numpy()
    else:
        array = np.asarray(tensor)
        shape = list(array.shape)
    if dtype is None:
        dtype = _OF_NUMPY.get(array.dtype.name)
    if dtype is None:
        message = f"{name}: found numbers of type {array.dtype}, expected floating-point numbers"
        raise make("Invalid", message, None, name, str(array.dtype), "floating-point numbers")
    if array.dtype.byteorder == ">" or (array.dtype.byteorder == "=" and sys.byteorder == "big"):
        array = array.byteswap()
    return dtype, shape, array.tobytes()
