"""The line under a chapter's title, and the foot of every page.

Above: the seconds it takes to run, and its notebook. Below: edition and date, how
to cite the page, where to send errata.
"""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docutils import nodes
from run_times import SOLUTIONS, chapter_of, seconds
from sphinx.application import Sphinx


def build_time() -> time.struct_time:
    """When this site was built; SOURCE_DATE_EPOCH, if set, says so."""
    return time.gmtime(float(os.environ.get("SOURCE_DATE_EPOCH", time.time())))


def facts(app: Sphinx, pagename: str, pathto: Callable[..., str]) -> str:
    """The line under the title of a chapter, or nothing on other pages."""
    chapter, own = chapter_of(pagename), seconds(app.env, pagename)
    if chapter is None or own is None:
        return ""
    is_chapter = pagename == chapter
    other = pagename + SOLUTIONS if is_chapter else chapter
    others = seconds(app.env, other)
    line = f"Runs in {own:.0f} s"
    if others is not None:
        owner, word = ("its", "solutions") if is_chapter else ("the", "chapter")
        line += f', {owner} <a href="{pathto(other)}">{word}</a> in {others:.0f} s'
    target = pathto(f"_static/notebooks/{pagename.partition('/')[2]}", 1)
    line += f' · <a href="{target}.ipynb" download>Download as a notebook</a>'
    if (Path(app.srcdir) / pagename).with_suffix(".npz").exists():
        line += f' and its <a href="{target}.npz" download>stored run</a>'
    return f'<p class="page-facts">{line}</p>'


def bibtex(app: Sphinx, pagename: str, year: int) -> str:
    """How to cite a page: as part of the book, or the book itself."""
    config, titles = app.config, app.env.titles
    kind, key = "book", re.sub(r"\W+", "_", config.html_title.lower())
    fields = {"author": f"{{{config.author}}}", "title": config.html_title}
    if pagename in titles and pagename != config.root_doc:
        kind, key = "incollection", f"{key}_{pagename.rpartition('/')[2]}"
        fields |= {"title": titles[pagename].astext(), "booktitle": config.html_title}
    fields |= {"edition": config.book["edition"], "year": str(year)}
    if config.book["site"]:
        fields["url"] = f"{config.book['site'].rstrip('/')}/{pagename}.html"
    body = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@{kind}{{{key},\n{body}}}"


def add_frame(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Hand both to the templates of the page."""
    when = build_time()
    line = facts(app, pagename, context["pathto"])
    if line and "body" in context:
        context["body"] = context["body"].replace("</h1>", f"</h1>\n{line}", 1)
    if "body" in context:  # figures further down wait until they are near
        context["body"] = context["body"].replace("<img ", '<img loading="lazy" ')
    inside = pagename in app.env.titles and pagename != app.config.root_doc
    context["frame"] = {
        "edition": app.config.book["edition"],
        "date": time.strftime("%Y-%m-%d", when),
        "kind": "chapter" if chapter_of(pagename) else "page" if inside else "book",
        "bibtex": bibtex(app, pagename, when.tm_year),
        "repository": app.config.book["repository"].rstrip("/"),
    }


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.setup_extension("run_times")
    app.connect("html-page-context", add_frame)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
