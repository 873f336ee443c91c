"""Every formula is called in its chapter, and shown there rather than retyped."""

import ast

import pytest
from source import ROOT

THEORY = ROOT / "lib/learndyn/theory"


def formulas(name):
    """Names of the public functions of theory/<name>.py."""
    tree = ast.parse((THEORY / f"{name}.py").read_text(encoding="utf-8"))
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {function for function in functions if not function.startswith("_")}


def used(tree, module):
    """Functions of `module` that the code in `tree` refers to."""
    aliases, direct = set(), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for name in node.names:
                if node.module == module:
                    direct[name.asname or name.name] = name.name
                elif f"{node.module}.{name.name}" == module:
                    aliases.add(name.asname or name.name)
        elif isinstance(node, ast.Import):
            aliases |= {name.asname for name in node.names if name.name == module}
    names = {
        direct.get(node.id) for node in ast.walk(tree) if isinstance(node, ast.Name)
    }
    return names | {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in aliases
    }


@pytest.mark.parametrize(
    "code",
    [
        "from learndyn.theory import a\na.f(1)",
        "from learndyn.theory import a as theory, b\nprint(map(theory.f, []))",
        "from learndyn.theory.a import f as formula\nformula(1)",
        "import learndyn.theory.a as theory\ntheory.f(1)",
    ],
)
def test_a_formula_is_recognised_however_it_was_imported(code):
    assert "f" in used(ast.parse(code), "learndyn.theory.a")
    assert "f" not in used(ast.parse(code), "learndyn.theory.b")


def test_every_public_formula_is_called_in_its_chapter(chapter):
    name = chapter.path.stem
    assert formulas(name)
    assert not formulas(name) - used(ast.parse(chapter.code), f"learndyn.theory.{name}")


def test_the_chapter_shows_a_formula_of_its_own(chapter):
    name = chapter.path.stem
    shown = [each for each in chapter.directives if each.name == "formula"]
    own = {each.options["pyobject"] for each in shown if each.argument == name}
    assert own & formulas(name)


def test_every_formula_that_is_shown_exists(page):
    for each in page.directives:
        if each.name == "formula":
            module = each.options.get("module", f"theory.{each.argument}")
            path = ROOT / "lib/learndyn" / f"{module.replace('.', '/')}.py"
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = [getattr(node, "name", None) for node in tree.body]
            assert each.options["pyobject"] in names
