"""The controls of an explorable: native, labelled, printing a physical value."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TAKEN = {"width", "height", "padding", "autosize", "background", "datum", "event"}
_TAKEN |= {"item", "parent", "style", "view", "cursor", "E", "PI", "true", "false"}
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: Any, form: str) -> str:
    """Return a number as it is printed: 3 × 10⁻⁵, −2; anything else as text.

    >>> number(3e-5, ".2g"), number(-2.0, ".3g")
    ('3 × 10⁻⁵', '−2')
    """
    if isinstance(value, str):
        return value
    text = format(value, form)
    if match := re.fullmatch(r"(.+)e([+-]\d+)", text):
        power = str(int(match[2])).translate(_SUPERSCRIPT)
        text = f"10{power}" if match[1] == "1" else f"{match[1]} × 10{power}"
    return text.replace("-", "−")


@dataclass(frozen=True, eq=False)
class Control:
    """What is common to `Slider` and `Menu`: a named choice of one value."""

    name: str
    values: Sequence[Any] | NDArray[Any]
    label: str
    unit: str = ""
    start: int = 0
    format: str = ".3g"

    def __post_init__(self) -> None:
        if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", self.name) or self.name in _TAKEN:
            raise ValueError(
                f"name {self.name!r} must be an identifier, not Vega's own"
            )
        if np.ndim(self.values) != 1 or len(self.values) < 2:
            raise ValueError(f"{self.name}: needs a 1-D list of at least two values")
        if not 0 <= self.start < len(self.values):
            raise ValueError(
                f"{self.name}: start is {self.start}; it is an index, "
                f"0 to {len(self.values) - 1}"
            )

    @property
    def texts(self) -> list[str]:
        """What is printed at each index."""
        unit = self.unit if self.unit in ("", "°", "%") else f" {self.unit}"
        return [number(value, self.format) + unit for value in self.values]

    def to_json(self) -> dict[str, Any]:
        """Return what the page's script needs."""
        values = np.asarray(self.values).tolist()
        return {"values": values, "texts": self.texts, "start": self.start}

    def to_html(self) -> str:
        """Return the labelled control; it prints its value when it moves."""
        raise NotImplementedError


class Slider(Control):
    """A slider over the indices of `values`, which prints ``values[index]`` `unit`.

    `start` is the index of the printed value, `format` a Python number format.
    """

    def to_html(self) -> str:
        """Return the slider in its label."""
        return (
            f"<label><span>{escape(self.label)}</span>"
            f'<span class="value" aria-hidden="true">{escape(self.texts[self.start])}'
            f'</span><input type="range" name="{self.name}" data-control min="0" '
            f'max="{len(self.values) - 1}" step="1" value="{self.start}" '
            f'aria-valuetext="{escape(self.texts[self.start])}" autocomplete="off">'
            "</label>"
        )


class Menu(Control):
    """A menu of named options; in charts its name stands for the chosen text."""

    def __init__(self, name: str, options: Sequence[str], label: str, start: int = 0):
        super().__init__(
            name, [str(option) for option in options], label, "", start, ""
        )

    def to_html(self) -> str:
        """Return the menu in its label."""
        options = "".join(
            f'<option value="{i}"{" selected" * (i == self.start)}>'
            f"{escape(text)}</option>"
            for i, text in enumerate(self.texts)
        )
        return (
            f"<label><span>{escape(self.label)}</span>"
            f'<select name="{self.name}" data-control autocomplete="off">{options}'
            "</select></label>"
        )
