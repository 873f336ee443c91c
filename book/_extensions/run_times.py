"""How long each page took to run, and the directive `run-times` that lists it."""

from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

SOLUTIONS = "_solutions"


class run_times(nodes.General, nodes.Element):
    """Stands where the table will be, until every page has run."""


def seconds(env: BuildEnvironment, docname: str) -> float | None:
    """Seconds that the code of a page took, or None if none of it ran."""
    pages = getattr(env, "nb_metadata", {})
    result = pages[docname].get("exec_data") if docname in pages else None
    return result["runtime"] if result else None


def chapter_of(docname: str) -> str | None:
    """The chapter that a page `book/part/name` or its solutions belongs to."""
    folders = docname.split("/")
    inside = len(folders) == 3 and folders[0] == "book" and folders[1] != "teach"
    return docname.removesuffix(SOLUTIONS) if inside else None


def reading_order(env: BuildEnvironment) -> list[str]:
    """All pages as the table of contents has them."""

    def walk(docname: str) -> list[str]:
        below = env.toctree_includes.get(docname, [])
        return [docname, *(page for child in below for page in walk(child))]

    return walk(env.config.root_doc)


def table(header: list[str], rows: list[list[nodes.Node]], name: str) -> nodes.table:
    """A table of ready-made cells, of class `name`."""
    built = nodes.table(classes=[name])
    group = nodes.tgroup(cols=len(header))
    group += [nodes.colspec(colwidth=1) for _ in header]
    titles: list[nodes.Node] = [nodes.paragraph(text=title) for title in header]
    for part, lines in ((nodes.thead(), [titles]), (nodes.tbody(), rows)):
        for line in lines:
            row = nodes.row()
            row += [nodes.entry("", cell) for cell in line]
            part += row
        group += part
    built += group
    return built


def link(app: Sphinx, there: str, text: str = "", anchor: str = "") -> nodes.reference:
    """A link from the page being written to another."""
    uri = app.builder.get_relative_uri(app.env.docname, there)
    uri += f"#{anchor}" if anchor else ""
    label = text or app.env.titles[there].astext()
    return nodes.reference("", label, refuri=uri, internal=True)


class FillTable(SphinxPostTransform):
    """Write the table, now that every page has run."""

    default_priority = 8

    def run(self, **kwargs: Any) -> None:
        """Replace each placeholder."""
        for node in list(self.document.findall(run_times)):
            node.replace_self(self.build(node["budget"]))

    def build(self, budget: float) -> list[nodes.Node]:
        """The line of sums, and the table."""
        rows, sums = [], []
        for page in reading_order(self.env):
            if chapter_of(page) != page:
                continue
            times = [seconds(self.env, name) for name in (page, page + SOLUTIONS)]
            ran = [time for time in times if time is not None]
            sums += [sum(ran)] if ran else []
            texts = ["–" if time is None else f"{time:.1f}" for time in times]
            texts.append(f"{sum(ran):.1f}" if ran else "–")
            over = ran and sum(ran) > budget
            texts.append("over budget" if over else "within" if ran else "not run")
            title = nodes.paragraph("", "", link(self.app, page))
            rows.append([title, *(nodes.paragraph(text=text) for text in texts)])
        if not sums:
            return [nodes.paragraph(text="No chapter has been run yet.")]
        text = (
            f"Chapters that ran: {len(sums)}, in {sum(sums):.0f} seconds; "
            f"{sum(sums) / len(sums):.1f} on average. A chapter with its solutions "
            f"may take {budget:.0f}."
        )
        header = ["Chapter", "Chapter (s)", "Solutions (s)", "Sum (s)", "Budget"]
        return [nodes.paragraph(text=text), table(header, rows, "numbers")]


class RunTimes(SphinxDirective):
    """`run-times`: seconds per chapter; option `:budget:`, 45 unless told."""

    option_spec: ClassVar = {"budget": directives.positive_int}

    def run(self) -> list[nodes.Node]:
        """Leave a placeholder."""
        self.env.metadata[self.env.docname]["after_execution"] = True
        return [run_times(budget=float(self.options.get("budget", 45)))]


def pages_to_rewrite(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Pages that show what was executed elsewhere, if anything was."""
    if not getattr(env, "nb_new_exec_data", False):
        return []
    shown = [page for page, data in env.metadata.items() if "after_execution" in data]
    return shown + [page for page in env.found_docs if chapter_of(page)]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_node(run_times)
    app.add_directive("run-times", RunTimes)
    app.add_post_transform(FillTable)
    app.connect("env-updated", pages_to_rewrite)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
