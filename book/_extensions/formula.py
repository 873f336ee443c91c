"""The directive `formula`: the tested code of a formula, shown where it is used.

    ```{formula} gradient_flow
    :pyobject: modified_loss
    ```

shows `learndyn.theory.gradient_flow.modified_loss` without its docstring, since the
page around it says all that in full. `:module: groups` in place of the argument
shows code from another module of the library.
"""

import ast
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.directives.code import container_wrapper
from sphinx.util.docutils import SphinxDirective

LIBRARY = "lib/learndyn"


def without_docstring(source: str, name: str) -> str:
    """Text of the top-level function or class `name`, its docstring cut out."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            break
    else:
        raise ValueError(f"no function or class {name!r}")
    lines = source.splitlines()
    first = min([node.lineno, *(line.lineno for line in node.decorator_list)])
    before, after = lines[first - 1 : node.end_lineno], []
    if ast.get_docstring(node, clean=False) is not None:
        text = node.body[0]
        before = lines[first - 1 : text.lineno - 1]
        after = lines[text.end_lineno : node.end_lineno]
        while after and not after[0].strip():
            del after[0]
    return "\n".join(before + after)


class Formula(SphinxDirective):
    """Show one tested function of the library."""

    optional_arguments = 1
    option_spec: ClassVar = {
        "pyobject": directives.unchanged_required,
        "module": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        """Read, cut, and caption it."""
        name = self.options.get("pyobject")
        if not name or bool(self.arguments) == ("module" in self.options):
            raise self.error("formula needs :pyobject:, and an argument or :module:")
        given = self.options.get("module") or f"theory.{self.arguments[0]}"
        module = given.removeprefix("learndyn.")
        *folders, last = module.split(".")
        root = Path(self.env.srcdir)
        file = root.joinpath(LIBRARY, *folders, f"{last}.py")
        tests = Path("tests", *folders, f"test_{last}.py").as_posix()
        if not file.is_file():
            raise self.error(f"no module learndyn.{module}")
        if not (root / tests).is_file():
            raise self.error(f"learndyn.{module} is shown, but there is no {tests}")
        self.env.note_dependency(str(file))
        try:
            text = without_docstring(file.read_text(encoding="utf-8"), name)
        except ValueError as error:
            raise self.error(f"learndyn.{module}: {error}") from error
        block = nodes.literal_block(text, text, language="python")
        self.set_source_info(block)
        caption = f"`learndyn.{module}`, tested in `{tests}`"
        shown = container_wrapper(self, block, caption)
        shown["classes"].append("formula")
        return [shown]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("formula", Formula)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
