"""From named arguments to the words of a command line, and from what a command says to warnings and a log."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from . import _lorascope

# Options that take their values after one another, and those that take one word with commas. All others are repeated.
_SEVERAL = {"pair", "pairs"}
_COMMAS = {"contours", "layer", "projections", "weights"}

# Labels of lines that a caller should see; all others go to the log.
_WARNINGS = {"error", "warning"}

_process: int | None = None


def words(command: str, options: Mapping[str, object], positional: Iterable[str | os.PathLike[str]] = ()) -> list[str]:
    """The words of a command line. An option that is None or False is left out."""
    result = [command]
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is None or value is False:
            continue
        if value is True:
            result.append(flag)
        elif isinstance(value, (str, os.PathLike)) or not isinstance(value, Iterable):
            result += [flag, _word(value)] if name in _SEVERAL else [f"{flag}={_word(value)}"]
        else:
            values = [_word(one) for one in cast("Iterable[object]", value)]
            if name in _SEVERAL:
                result += [flag, *values]
            elif name in _COMMAS:
                result.append(f"{flag}={','.join(values)}")
            else:
                result += [f"{flag}={one}" for one in values]
    return [*result, "--", *(os.fspath(one) for one in positional)]


def _word(value: Any) -> str:
    if isinstance(value, (str, os.PathLike)):
        return os.fspath(value)
    number = value.item() if hasattr(value, "item") else value
    if isinstance(number, float) and number.is_integer() and abs(number) < 1e15:
        number = int(number)
    return str(number)


def run(
    words: list[str], adapters: Mapping[str, _lorascope.Adapter] | None = None, stacklevel: int = 4
) -> bytes:
    """Runs a command and returns what it prints."""
    result: bytes
    result, said = native().run(words, dict(adapters or {}))
    tell(said, stacklevel)
    return result


def run_json(
    words: list[str], adapters: Mapping[str, _lorascope.Adapter] | None = None, stacklevel: int = 5
) -> dict[str, Any]:
    """Runs a command that prints JSON."""
    import json

    document: dict[str, Any] = json.loads(run(words, adapters, stacklevel))
    return document


def native() -> Any:
    """The compiled part, which a process cannot use that was forked from one that did: the threads stayed with the parent."""
    global _process
    from . import _lorascope

    if _process is None:
        _process = os.getpid()
    elif os.getpid() != _process:
        from ._errors import make

        raise make(
            "Invalid",
            "lorascope was used before this process was forked, and its threads stayed with the parent",
            remedy='start processes with multiprocessing.get_context("spawn")',
        )
    return _lorascope


def tell(said: list[tuple[str, str]], stacklevel: int = 3) -> None:
    """Warns of what a caller should see, and logs the rest."""
    for label, message in said:
        if label in _WARNINGS:
            import warnings

            from ._errors import LorascopeWarning

            warnings.warn(message, LorascopeWarning, stacklevel=stacklevel)
        else:
            import logging

            logging.getLogger("lorascope").info("%s: %s", label, message)
