"""Pictures, which a notebook shows and which can be saved in any format."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from . import _options
from ._adapters import Checkpoint, given

if TYPE_CHECKING:
    from . import _lorascope


class Figure:
    """A picture. It is drawn when it is shown or saved; :attr:`text` is what it shows, in words."""

    __slots__ = ("_adapters", "_drawn", "_options", "_paths")

    def __init__(
        self, options: dict[str, object], paths: list[str], adapters: Mapping[str, _lorascope.Adapter]
    ) -> None:
        self._options, self._paths, self._adapters = options, paths, adapters
        self._drawn: dict[str, tuple[bytes, str]] = {}
        # What is wrong with the options is told here, and not by a notebook that shows it.
        self._draw("svg")

    def _draw(self, format: str, dpi: float | None = None) -> bytes:
        if dpi is None and format in self._drawn:
            return self._drawn[format][0]
        options = {**self._options, "output": "-", "format": format}
        if dpi is not None:
            options["dpi"] = dpi
        picture, said = _options.native().run(_options.words("figure", options, self._paths), dict(self._adapters))
        # The same for every format, and told once.
        if not self._drawn:
            _options.tell([line for line in said if line[0] != "result"], stacklevel=5)
        text = "".join(message for label, message in said if label == "result")
        if dpi is None:
            self._drawn[format] = (picture, text)
        return bytes(picture)

    @property
    def text(self) -> str:
        """What the picture shows, as ``lorascope figure`` prints it."""
        return next(iter(self._drawn.values()))[1]

    def to_bytes(self, format: str = "png") -> bytes:
        """The picture as a ``png``, ``pdf`` or ``svg`` file."""
        return self._draw(format)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the picture in the format that the suffix names: .png, .pdf or .svg. An existing file is replaced."""
        options = {**self._options, "output": path}
        _options.run(_options.words("figure", options, self._paths), self._adapters)

    def _repr_png_(self) -> bytes:
        # A screen shows what is meant for print at a third of its size.
        return self._draw("png") if self._options.get("dpi") else self._draw("png", 100)

    def _repr_svg_(self) -> str:
        return self._draw("svg").decode()

    def __repr__(self) -> str:
        return f"Figure({self._options.get('kind') or 'seeds'} of {', '.join(self._paths)})"


def figure(
    *checkpoints: Checkpoint,
    kind: str = "seeds",
    adapter_name: str | None = None,
    **options: Any,
) -> Figure:
    """Draws the paper's figures, or one of the other kinds of ``lorascope figure``.

    Args:
        checkpoints: two, or as many as the kind takes.
        kind: ``seeds`` (the paper's figure 4), ``ranks`` (figure 3), ``layer-map``, ``spectra``, ``trajectory``, ``base`` (figure
            8) or ``intruders``.
        adapter_name: which adapter, of files that have several.
        options: the options of ``lorascope figure`` by their names, such as ``layer=5``, ``projections=["q", "v"]``,
            ``side="b"``, ``width="text"``, ``palette="viridis"``, ``vmax="auto"``, ``value="z"`` or ``style="dark"``.

    Raises:
        Error: what is wrong, with the option, or the file and the tensor.
    """
    labels = "abcdefghijklmnopqrstuvwxyz"
    named = [(labels[at] if at < len(labels) else str(at), one) for at, one in enumerate(checkpoints)]
    paths, adapters = given(named, adapter_name)
    all_options: dict[str, object] = {"kind": kind, "adapter_name": adapter_name, **options}
    return Figure(all_options, paths, adapters)

