"""The claims that executed pages make, and the links in the lines that show them."""

import json
import re
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from jupyter_cache import get_cache
from run_times import reading_order, seconds
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

MIME = "application/vnd.learndyn.claim+json"
LINE = re.compile(r'<a class="claim-theorem" href="#([^"]+)">[^<]*</a>')
logger = logging.getLogger(__name__)


def claims_of(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """The claims among the outputs of an executed notebook, in order."""
    outputs = [out for cell in notebook["cells"] for out in cell.get("outputs", [])]
    found = [out["data"][MIME] for out in outputs if MIME in out.get("data", {})]
    return [json.loads(claim) if isinstance(claim, str) else claim for claim in found]


def collect(env: BuildEnvironment) -> list[dict[str, Any]]:
    """All claims of the book; each gets the page it is made on.

    The build leaves the source of each page as a notebook, and its outputs in the
    cache of executed notebooks.
    """
    folder, found = Path(env.mystnb_config.output_folder), []
    cache = get_cache(env.mystnb_config.execution_cache_path)
    for page in reading_order(env):
        file = folder / f"{page}.ipynb"
        if seconds(env, page) is None or not file.is_file():
            continue
        try:
            _, run = cache.merge_match_into_notebook(nbformat.read(file, as_version=4))
        except KeyError:
            logger.info("%s is not in the cache of executed notebooks", page)
            continue
        found += [claim | {"page": page} for claim in claims_of(run)]
    return found


def theorem_name(env: BuildEnvironment, label: str) -> str:
    """`Theorem 3` for a label; empty if no box has it."""
    box = getattr(env, "proof_list", {}).get(label)
    if box is None:
        return ""
    numbers = env.toc_fignumbers.get(box["docname"], {}).get(box["countertype"], {})
    number = ".".join(map(str, numbers.get(label, ())))
    return f"{box['realtype'].title()} {number}".strip()


def link_claims(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Point the line of each claim to its theorem, wherever that stands."""

    def point(found: re.Match[str]) -> str:
        label = found[1]
        name = theorem_name(app.env, label)
        if not name:
            logger.warning("claim of an unknown theorem %r", label, location=pagename)
            return found[0]
        page = app.env.proof_list[label]["docname"]
        uri = "" if page == pagename else app.builder.get_relative_uri(pagename, page)
        return f'<a class="claim-theorem" href="{uri}#{label}">{name}</a>'

    if "body" in context:
        context["body"] = LINE.sub(point, context["body"])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("html-page-context", link_claims)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
