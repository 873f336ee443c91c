"""The directive `api`: the public functions of the library, from their docstrings.

Nothing is imported: the signatures are shown as written, and docstrings are read as
the MyST they are, with their formulas, citations and doctests.
"""

import ast
import re
from inspect import cleandoc
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from formula import LIBRARY
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

HEADINGS = r"^(?:Args|Arguments|Returns|Raises|Attributes|Examples?):$"
NAMES = r"^(\*{0,2}\w+(?:, \w+)*)(?: \(.*?\))?:"
Definition = ast.FunctionDef | ast.ClassDef


def public(body: list[ast.stmt]) -> list[Definition]:
    """Functions and classes whose names do not start with an underscore."""
    found = [node for node in body if isinstance(node, Definition)]
    return [node for node in found if not node.name.startswith("_")]


def signature(node: Definition, lines: list[str]) -> str:
    """What stands before the body of a function; of a class, also its fields."""
    text = lines[node.lineno - 1 : max(node.lineno, node.body[0].lineno - 1)]
    if isinstance(node, ast.ClassDef):
        for part in node.body:
            if isinstance(part, ast.AnnAssign):
                text += lines[part.lineno - 1 : part.end_lineno]
            elif isinstance(part, ast.FunctionDef) and not part.name.startswith("_"):
                text += signature(part, lines).splitlines()
    return "\n".join(text)


def markdown(docstring: str) -> str:
    """A docstring as MyST: doctests become code, `Args:` and the like lists."""
    out: list[str] = []
    indent = in_code = False
    for line in cleandoc(docstring).splitlines():
        if in_code and not line.strip():
            out.append("```")
            in_code = False
        if not in_code and line.lstrip().startswith(">>>"):
            out += ["", "```pycon"]
            in_code = True
        if in_code:
            out.append(line.strip() if indent else line)
        elif re.match(HEADINGS, line):
            out += ["", f"**{line[:-1]}**", ""]
            indent = True
        elif indent and re.match(r" {4}\S", line):
            out.append("- " + re.sub(NAMES, r"`\1`:", line.strip()))
        else:
            indent = indent and (not line or line.startswith(" "))
            out.append(f"  {line.strip()}" if indent and line else line)
    return "\n".join(out + ["```"] * in_code)


class Api(SphinxDirective):
    """`api`: one section per module, one entry per public function."""

    def run(self) -> list[nodes.Node]:
        """Read the library afresh at every build."""
        self.env.note_reread()
        root = Path(self.env.srcdir, LIBRARY)
        files = sorted(root.rglob("*.py"), key=lambda file: (len(file.parts), file))
        built = [self.module(file, file.relative_to(root)) for file in files]
        return [section for section in built if section is not None]

    def module(self, file: Path, path: Path) -> nodes.section | None:
        """The section of one module, or None if nothing in it is public."""
        source = file.read_text(encoding="utf-8")
        tree, lines = ast.parse(source), source.splitlines()
        entries = public(tree.body)
        name = ".".join(["learndyn", *path.with_suffix("").parts])
        name = name.removesuffix(".__init__")
        if not entries:
            return None
        section = nodes.section(ids=[name.replace(".", "-")], names=[name])
        title = nodes.literal(text=name.removeprefix("learndyn."))
        section += nodes.title("", "", title)
        text = ast.get_docstring(tree) or ""
        pages = [d for d in self.env.found_docs if d.endswith(f"/{path.stem}")]
        if path.parts[0] == "theory" and pages:
            text += f"\n\nChapter: {{doc}}`/{pages[0]}`"
        self.parse(text, section)
        for node in entries:
            entry = nodes.container(classes=["api-entry"], ids=[f"{name}.{node.name}"])
            code = signature(node, lines)
            entry += nodes.literal_block(code, code, language="python")
            self.parse(ast.get_docstring(node) or "", entry)
            section += entry
        return section

    def parse(self, docstring: str, into: nodes.Element) -> None:
        """Parse a docstring as MyST."""
        source = self.env.doc2path(self.env.docname)
        text = StringList(markdown(docstring).splitlines(), source)
        self.state.nested_parse(text, 0, into)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("api", Api)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
