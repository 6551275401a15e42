//! The names of a pickle whose meaning is known: what dictionaries of tensors need, and nothing that executes code. All others
//! are inert.

use super::inert::Yields;

/// The meaning of a global. Globals are never called: the unpickler knows what each would return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::formats) enum Global {
    /// A dictionary.
    Dict,
    /// A tensor from a storage, an offset, a shape and strides, and the dtype if the storage has none.
    Tensor,
    /// The tensor in its first argument.
    Same,
    /// The tensor that its first argument makes from its third.
    Typed,
    /// `torch.Size`: the tuple in its argument.
    Size,
    /// A storage of numbers of this type, or only the type.
    Numbers(Numbers),
    /// A value without tensors.
    Other,
}

/// A type of numbers: its name in safetensors, and its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::formats) struct Numbers {
    pub(in crate::formats) dtype: &'static str,
    pub(in crate::formats) size_bytes: u64,
}

/// The global, if it is on the list.
pub(super) fn find(module: &str, name: &str) -> Option<Global> {
    Some(match (module, name) {
        ("collections", "OrderedDict" | "defaultdict" | "Counter") => Global::Dict,
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2" | "_rebuild_tensor_v3") => Global::Tensor,
        ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Global::Same,
        ("torch._tensor", "_rebuild_from_type_v2") => Global::Typed,
        ("torch", "Size") => Global::Size,
        ("torch.storage", "UntypedStorage") | ("torch", "UntypedStorage") => {
            Global::Numbers(Numbers { dtype: "U8", size_bytes: 1 })
        }
        ("torch" | "torch.cuda", name) => match numbers(name) {
            Some(numbers) => Global::Numbers(numbers),
            None if matches!(name, "device" | "Tensor" | "strided" | "per_tensor_affine") => Global::Other,
            None => return None,
        },
        ("torch.nn.parameter", "Parameter") | ("torch.serialization", "_get_layout") => Global::Other,
        ("_codecs", "encode") => Global::Other,
        (
            "__builtin__" | "builtins",
            "set" | "frozenset" | "bytearray" | "bytes" | "complex" | "int" | "float" | "str" | "bool"
            | "list" | "dict" | "tuple" | "slice" | "range",
        ) => Global::Other,
        ("numpy", "ndarray" | "dtype") => Global::Other,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Global::Other,
        _ => return None,
    })
}

/// What calling a name that is not on the list would give, as far as the name says.
pub(super) fn yields(module: &str, name: &str) -> Yields {
    let is_rebuilt = name.starts_with("_rebuild") && module.split('.').next() == Some("torch");
    match (module, name) {
        _ if is_rebuilt => Yields::Tensor,
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => Yields::Array,
        ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Yields::Array,
        _ => Yields::Object,
    }
}

/// Modules of other objects that training saves: a pickle of nothing else is not a checkpoint of tensors.
const OTHER_KINDS: &[(&str, &str)] = &[
    ("transformers.training_args", "a trainer's arguments"),
    ("transformers", "an object of the transformers library"),
    ("trl", "a trainer's arguments"),
    ("accelerate", "a trainer's state"),
    ("torch.optim", "an optimizer's or scheduler's state"),
    ("torch.nn.modules", "a whole model, saved as an object"),
    ("sentencepiece", "a tokenizer"),
    ("tokenizers", "a tokenizer"),
    ("sklearn", "a scikit-learn object"),
    ("pandas", "a pandas object"),
    ("datasets", "a data set"),
];

/// The kind of file that names this module.
pub(super) fn other_kind(module: &str) -> Option<&'static str> {
    let within =
        |name: &str| module.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    OTHER_KINDS.iter().find(|(name, _)| within(name)).map(|&(_, kind)| kind)
}

/// The type of a storage (`FloatStorage`) or of numbers (`float32`).
fn numbers(name: &str) -> Option<Numbers> {
    let (dtype, size_bytes) = match name {
        "DoubleStorage" | "float64" | "double" => ("F64", 8),
        "FloatStorage" | "float32" | "float" => ("F32", 4),
        "HalfStorage" | "float16" | "half" => ("F16", 2),
        "BFloat16Storage" | "bfloat16" => ("BF16", 2),
        "LongStorage" | "int64" | "long" => ("I64", 8),
        "IntStorage" | "int32" | "int" => ("I32", 4),
        "ShortStorage" | "int16" | "short" => ("I16", 2),
        "CharStorage" | "int8" | "QInt8Storage" | "qint8" => ("I8", 1),
        "ByteStorage" | "uint8" | "QUInt8Storage" | "quint8" => ("U8", 1),
        "uint16" => ("U16", 2),
        "uint32" => ("U32", 4),
        "uint64" => ("U64", 8),
        "BoolStorage" | "bool" => ("BOOL", 1),
        "QInt32Storage" | "qint32" => ("I32", 4),
        "ComplexFloatStorage" | "complex64" | "cfloat" => ("C64", 8),
        "ComplexDoubleStorage" | "complex128" | "cdouble" => ("C128", 16),
        "complex32" => ("C32", 4),
        "float8_e4m3fn" => ("F8_E4M3", 1),
        "float8_e5m2" => ("F8_E5M2", 1),
        "float8_e4m3fnuz" => ("F8_E4M3FNUZ", 1),
        "float8_e5m2fnuz" => ("F8_E5M2FNUZ", 1),
        "float8_e8m0fnu" => ("F8_E8M0", 1),
        _ => return None,
    };
    Some(Numbers { dtype, size_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_executes_code_is_on_the_list() {
        for (module, name) in [
            ("os", "system"),
            ("posix", "system"),
            ("builtins", "eval"),
            ("builtins", "getattr"),
            ("__builtin__", "__import__"),
            ("torch", "load"),
            ("torch.hub", "load"),
            ("torch._utils", "_rebuild_wrapper_subclass"),
            ("numpy", "load"),
            ("collections", "namedtuple"),
        ] {
            assert_eq!(find(module, name), None, "{module}.{name}");
        }
    }

    #[test]
    fn storages_and_types_of_one_number_are_the_same() {
        for (storage, dtype) in
            [("FloatStorage", "float32"), ("BFloat16Storage", "bfloat16"), ("BoolStorage", "bool")]
        {
            assert_eq!(find("torch", storage), find("torch", dtype));
            assert!(find("torch", storage).is_some());
        }
    }

    #[test]
    fn a_module_is_known_with_only_its_submodules() {
        assert_eq!(other_kind("transformers.training_args"), Some("a trainer's arguments"));
        assert_eq!(other_kind("trl.trainer.sft_config"), Some("a trainer's arguments"));
        assert_eq!(other_kind("trlx"), None);
        assert_eq!(other_kind("os"), None);
    }
}
