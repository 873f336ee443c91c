"""How an explorable is written into a page, and where its scripts come from."""

import base64
import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib import resources
from itertools import zip_longest
from pathlib import Path
from typing import Any

import vl_convert
from PIL import Image

from learndyn.figures.marks import units

MODE = "LEARNDYN_EXPLORABLES"
"""Environment variable: ``site`` for the site's build, else ``inline``."""

_carrier: list[str] = []


@cache
def _asset(name: str) -> str:
    return (resources.files("learndyn.figures") / name).read_text("utf-8")


@cache
def _vega() -> str:
    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return f'(() => {{{bundle}\ndispatchEvent(new Event("learndyn-vega"));}})();'


def write_scripts(folder: str | Path) -> None:
    """Write ``vega.js`` and ``explorable.js`` to `folder`, the site's ``_static``."""
    Path(folder, "vega.js").write_text(_vega(), "utf-8")
    Path(folder, "explorable.js").write_text(_asset("explorable.js"), "utf-8")


def on_site() -> bool:
    """Return whether the book's build is running, which serves the scripts itself."""
    mode = os.environ.get(MODE, "inline")
    if mode not in ("site", "inline"):
        raise ValueError(f"{MODE} is {mode!r}; it must be 'site' or 'inline'")
    return mode == "site"


def scripts(name: str) -> str:
    """Return the script elements that bring the figure `name` to life.

    In a notebook the first figure carries Vega for all, and again when it is run
    again; in Colab, where each output is a page of its own, every figure does.
    """
    if on_site():
        return f"<script>{_SITE}</script>"
    if not _carrier:
        _carrier.append(name)
    carries = name == _carrier[0] or "google.colab" in sys.modules
    vega = f"<script>window.vegaEmbed || {_vega()}</script>" if carries else ""
    return f"{vega}<script>{_asset('explorable.js')}</script>"


_SITE = (
    "window.learndynExplore ? learndynExplore() : "
    'document.getElementById("learndyn-explore") || '
    'document.head.append(Object.assign(document.createElement("script"), '
    '{id: "learndyn-explore", src: (document.documentElement.dataset.content_root '
    '|| "./") + "_static/explorable.js"}))'
)


def _png(image: bytes) -> str:
    """Shrink a picture to 64 colours; return it as a data URI."""
    small = io.BytesIO()
    palette = Image.open(io.BytesIO(image)).convert("RGB").quantize(64)
    palette.save(small, "png", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(small.getvalue()).decode()}"


def still(printed: Any) -> str:
    """Return a matplotlib figure as a data URI."""
    from matplotlib import pyplot

    image = io.BytesIO()
    printed.savefig(image, format="png", dpi=130)
    pyplot.close(printed)
    return _png(image.getvalue())


def stills(data: Mapping[str, Any], tables: Mapping[str, Any]) -> list[str]:
    """Return each panel at the start position, as a data URI."""
    controls = data["controls"]
    start = {name: control["start"] for name, control in controls.items()}
    values = {name: c["values"][c["start"]] for name, c in controls.items()}
    values.update({f"{name}_index": index for name, index in start.items()})
    params = [{"name": name, "value": value} for name, value in values.items()]
    width = 340 if len(data["panels"]) > 1 else 700
    pictures = []
    for panel in data["panels"]:
        spec = panel["spec"]
        rows = {name: tables[name].rows(start) for name in panel["tables"]}
        spec = {
            **spec,
            "width": width,
            "height": width * panel["aspect"] if panel["aspect"] else spec["height"],
            "datasets": {**spec.get("datasets", {}), **rows},
            "params": params + spec.get("params", []),
        }
        config = {**data["config"], "background": "white"}
        image = vl_convert.vegalite_to_png(spec, config=config, scale=1.5)
        pictures.append(_png(image))
    return pictures


def _key(spec: dict[str, Any]) -> str:
    """Return the key of a panel: a sample and a word for each labelled mark."""
    entries = []
    for unit in units(spec):
        mark = unit["mark"]
        if not isinstance(mark, dict) or "description" not in mark:
            continue
        color = mark.get("color", "currentColor")
        if mark["type"] == "point":
            sample = f'<circle cx="12" cy="5" r="4" fill="{color}"/>'
        elif mark["type"] == "area":
            sample = f'<path d="M0 1h24v8H0z" fill="{color}" opacity=".25"/>'
        else:
            dash = ' stroke-dasharray="5 4"' if "strokeDash" in mark else ""
            sample = f'<path d="M0 5h24" stroke="{color}" stroke-width="2"{dash}/>'
        entries.append(
            f'<span><svg viewBox="0 0 24 10" aria-hidden="true">{sample}</svg>'
            f"{escape(mark['description'])}</span>"
        )
    return f'<div class="key">{"".join(entries)}</div>' if entries else ""


def _box(panel: Any, title: str, image: str) -> str:
    """Return the place of one chart: title, key, view, still."""
    shown = f'<p class="title">{escape(panel.title)}</p>' if panel.title else ""
    view = f'<div class="view" role="img" aria-label="{escape(title)}"></div>'
    return f'<div class="panel">{shown}{_key(panel.spec)}{view}{image}</div>'


def figure(
    name: str,
    controls: Sequence[Any],
    panels: Sequence[Any],
    pictures: Sequence[str],
    data: Mapping[str, Any],
    alt: str,
    caption: str,
) -> str:
    """Return the figure as HTML, without its scripts."""
    own = len(pictures) == len(panels)
    titles = [panel.title or f"Chart {i + 1}" for i, panel in enumerate(panels)]
    alts = [alt, *titles[1:]]
    images = [
        f'<img class="still" src="{picture}" alt="{escape(text)}">'
        for picture, text in zip(pictures, alts, strict=False)
    ]
    boxes = "".join(
        _box(panel, title, image if own else "")
        for panel, title, image in zip_longest(panels, titles, images)
    )
    at = ", ".join(f"{c.label} = {c.texts[c.start]}" for c in controls)
    badge = (
        '<output class="badge" aria-live="polite"><i></i><span></span></output>'
        if data["badge"]
        else ""
    )
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = text.replace("<", "\\u003c")
    return (
        f'<figure class="explorable" id="{escape(name)}" role="group" '
        f'aria-label="{escape(alt)}"><style>{_asset("explorable.css")}</style>'
        f'<div class="controls">{"".join(c.to_html() for c in controls)}'
        f'<button type="button" class="reset">Reset</button></div>{badge}'
        f'<p class="printed">At {escape(at)}.</p>'
        f'<div class="panels">{boxes}</div>{"" if own else images[0]}'
        f'<figcaption class="tex2jax_process">{caption}</figcaption>'
        f'<script type="application/json">{text}</script></figure>'
    )
