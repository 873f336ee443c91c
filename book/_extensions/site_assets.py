"""What every page loads: nothing from another host, and no more than it uses.

Drops the scripts and style sheets no page needs, ships the part of MathJax that
typesets this book, and lets one entry of `_config.yml` (`book`) switch on all that
depends on the addresses of repository and site.
"""

import shutil
from importlib import metadata
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

from learndyn.figures.page import write_scripts

DROPPED = ("thebe", "proof.css", "exercise.css")
MATHJAX = (
    "startup.js",
    "core.js",
    "input/tex.js",
    "input/tex/extensions/",
    "output/chtml.js",
    "output/chtml/fonts/",
    "a11y/assistive-mml.js",
)
UNUSED = ("**/*.map", "scripts/fontawesome.js*", "vendor/fontawesome", "sphinx-thebe.*")


def use_addresses(app: Sphinx, config: Config) -> None:
    """Let the buttons of the theme appear with the addresses they need."""
    repository = config.book["repository"].rstrip("/")
    options = config.html_theme_options
    options["repository_url"] = repository
    options["repository_branch"] = config.book["branch"]
    for button in ("repository", "edit_page", "issues"):
        options[f"use_{button}_button"] = bool(repository)
    options["launch_buttons"] = {
        "notebook_interface": "jupyterlab",
        "binderhub_url": config.book["binder"] if repository else "",
    }
    config.html_baseurl = config.book["site"]


def drop_unused(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Take what no page of this book needs out of the head of the page."""

    def needed(asset: Any) -> bool:
        name = f"{getattr(asset, 'filename', asset)}".lower()
        body = str(getattr(asset, "attributes", {}).get("body", "")).lower()
        return not any(word in name or word in body for word in DROPPED)

    for kind in ("script_files", "css_files"):
        context[kind] = [asset for asset in context[kind] if needed(asset)]


def mathjax_files() -> dict[str, Path]:
    """Path below `mathjax/` of each file the book needs, and where it lies now."""
    found = {}
    for file in metadata.files("sphinx-mathjax-offline") or []:
        name = file.as_posix().partition("/static/mathjax/")[2]
        if name.startswith(MATHJAX):
            found[name] = Path(str(file.locate()))
    return found


def finish(app: Sphinx, error: Exception | None) -> None:
    """Ship MathJax and the explorables' scripts; remove what nothing refers to."""
    if error or app.builder.format != "html":
        return
    static = Path(app.outdir) / "_static"
    write_scripts(static)
    for name, source in mathjax_files().items():
        target = static / "mathjax" / name
        if not target.exists() or target.stat().st_size != source.stat().st_size:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    for pattern in UNUSED:
        for path in list(static.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    empty = {"edition": "", "repository": "", "branch": "", "site": "", "binder": ""}
    app.add_config_value("book", empty, "env", types=[dict])
    app.connect("config-inited", use_addresses, priority=100)
    app.connect("html-page-context", drop_unused, priority=900)
    app.connect("build-finished", finish, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
