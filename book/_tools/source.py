"""Pages as they are written: directives, code cells, labels, sections.

Read without running anything. Used by the tests of the book's rules and by the
fingerprint of what a page imports.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import yaml
from markdown_it import MarkdownIt
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.front_matter import front_matter_plugin

ROOT = Path(__file__).resolve().parents[2]

MARKDOWN = MarkdownIt().use(colon_fence_plugin).use(front_matter_plugin)
MARKDOWN.disable("inline")

# Directives whose body is not Markdown.
LITERAL = {"code", "code-block", "code-cell", "literalinclude", "math", "raw"}

EQUATION = re.compile(
    r"\$\$[ \t]*\(([^)\s]+)\)[ \t]*$", re.M
)  # label of a displayed one
LABELS = (
    re.compile(r"^\(([^)\s]+)\)=\s*$", re.M),
    EQUATION,
)  # the first: of what follows


@dataclass(frozen=True)
class Directive:
    """One directive: ```` ```{name} argument ````, its options and its body.

    It stands on the lines `line` to `end` of the page, counted from 0.
    """

    name: str
    argument: str
    options: dict
    body: str
    line: int
    end: int

    @property
    def label(self) -> str | None:
        """Label of a theorem, exercise or equation; name of a figure or table."""
        figure = self.options.get("mystnb", {}).get("figure", {})
        found = self.options.get("label") or self.options.get("name")
        return found or figure.get("name")

    @property
    def code(self) -> str:
        """Body of a code cell without magics."""
        return re.sub(r"^[ \t]*[%!].*", "", self.body, flags=re.M)

    @cached_property
    def tree(self) -> ast.Module:
        """Syntax tree of a code cell."""
        return ast.parse(self.code)


class Page:
    """A page of the book, `book/…/<name>.md`."""

    def __init__(self, path: Path):
        self.path = path
        self.text = path.read_text(encoding="utf-8")

    @cached_property
    def directives(self) -> list[Directive]:
        """All directives, those inside others included, in order."""
        return list(_directives(self.text))

    @cached_property
    def cells(self) -> list[Directive]:
        """Code cells."""
        return [each for each in self.directives if each.name == "code-cell"]

    @property
    def code(self) -> str:
        """Code of all cells, one after the other."""
        return "\n".join(cell.code for cell in self.cells)

    @cached_property
    def prose(self) -> str:
        """Text with everything that is not Markdown blanked out, line by line."""
        lines = self.text.splitlines()
        for each in self.directives:
            if each.name in LITERAL:
                lines[each.line : each.end] = [""] * (each.end - each.line)
        return "\n".join(lines)

    @cached_property
    def headings(self) -> list[tuple[int, str, int]]:
        """(level, text, line) of each heading."""
        tokens = MARKDOWN.parse(self.text)
        return [
            (int(token.tag[1]), text.content, token.map[0])
            for token, text in pairwise(tokens)
            if token.type == "heading_open"
        ]

    def section(self, title: str) -> list[Directive]:
        """Directives below the heading of level 2 that starts with `title`."""
        starts = [(line, text) for level, text, line in self.headings if level == 2]
        ends = [line for line, _ in starts[1:]] + [len(self.text)]
        return [
            each
            for (start, text), end in zip(starts, ends, strict=False)
            if text.lower().startswith(title.lower())
            for each in self.directives
            if start < each.line < end
        ]

    @cached_property
    def labels(self) -> list[str]:
        """Every label that the page gives, explorables included."""
        given = [each.label for each in self.directives if each.label]
        written = [label for pattern in LABELS for label in pattern.findall(self.prose)]
        moving = [
            name.value
            for call in self.calls("explore")
            for name in call.args[:1]
            if call.func.attr == "figure" and isinstance(name, ast.Constant)
        ]
        return given + written + moving

    def calls(self, module: str) -> list[ast.Call]:
        """Calls `module.function(…)` in the page's code."""
        return [call for cell in self.cells for call in calls(cell.tree, module)]


def calls(tree: ast.AST, module: str) -> list[ast.Call]:
    """Calls `module.function(…)` in a syntax tree."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == module
    ]


def split(content: str) -> tuple[dict, str]:
    """Options and body, options as YAML between `---` or as `:key: value` lines."""
    if match := re.match(r"---\n(.*?\n)---\n?", content, re.S):
        return yaml.safe_load(match[1]) or {}, content[match.end() :]
    match = re.match(r"(?::[\w-]+:.*\n?)*", content)
    options = re.findall(r":([\w-]+):[ \t]*(.*)", match[0])
    return dict(options), content[match.end() :]


def toc() -> list[str]:
    """Every page of the table of contents, in reading order: `book/…/<name>`."""
    return list(_files(yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))))


def chapters() -> list[Path]:
    """Every chapter of the table of contents, in reading order."""
    pages = [ROOT / f"{file}.md" for file in toc() if file.count("/") == 2]
    return [
        page
        for page in pages
        if page.parent.name != "teach" and not page.stem.endswith("_solutions")
    ]


def _files(entry: dict) -> Iterator[str]:
    for key, value in entry.items():
        if key in ("root", "file"):
            yield value
        elif isinstance(value, list):
            for item in value:
                yield from _files(item)


def _directives(text: str, first: int = 0) -> Iterator[Directive]:
    for token in MARKDOWN.parse(text):
        match = re.match(r"\{([\w:.-]+)\}[ \t]*(.*)", token.info)
        if token.type not in ("fence", "colon_fence") or not match:
            continue
        name, argument = match.groups()
        options, body = split(token.content)
        line, end = (first + number for number in token.map)
        yield Directive(name, argument.strip(), options, body, line, end)
        if name not in LITERAL:
            skipped = token.content.count("\n") - body.count("\n")
            yield from _directives(body, line + 1 + skipped)
