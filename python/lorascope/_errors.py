"""Errors, sorted by who must act."""

from __future__ import annotations


class Error(Exception):
    """What went wrong, in one line, with the way out if there is one.

    Attributes:
        path: the file or folder, as it was named.
        tensor: the tensor, module, argument or part of the file.
        found: what was found; where nothing was expected in its place, what is the matter.
        expected: what was expected instead.
        remedy: the way out.
    """

    path: str | None = None
    tensor: str | None = None
    found: str | None = None
    expected: str | None = None
    remedy: str | None = None


class IoError(Error, OSError):
    """The system refused to read or write."""


class NotFoundError(Error, FileNotFoundError):
    """What was named is not there."""


class MalformedError(Error, ValueError):
    """The file breaks its own format."""


class UnsupportedError(Error, ValueError):
    """The file is valid, but nothing that lorascope handles."""


class LimitError(Error, ValueError):
    """The input asks for more than a stated limit."""


class InvalidError(Error, ValueError):
    """The caller asked for something that cannot be."""


class GpuError(Error, RuntimeError):
    """The GPU is missing or failed."""


class LorascopeWarning(UserWarning):
    """Something to be careful of with a result, or an input that was left out."""


_KINDS: dict[str, type[Error]] = {
    "Io": IoError,
    "NotFound": NotFoundError,
    "Malformed": MalformedError,
    "Unsupported": UnsupportedError,
    "Limit": LimitError,
    "Invalid": InvalidError,
    "Gpu": GpuError,
}


def make(
    kind: str,
    message: str,
    path: str | None = None,
    tensor: str | None = None,
    found: str | None = None,
    expected: str | None = None,
    remedy: str | None = None,
) -> Error:
    """The error of a kind with its facts. The compiled part calls it."""
    error = _KINDS.get(kind, Error)(message if remedy is None else f"{message} ({remedy})")
    error.path, error.tensor = path, tensor
    error.found, error.expected, error.remedy = found, expected, remedy
    return error
