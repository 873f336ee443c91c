"""The fingerprint of a page changes with what its code imports, and only then."""

import grimp
import imports
import pytest
from source import ROOT

TREE = {
    "requirements.lock": "numpy==2.0",
    "page.md": "```{code-cell}\n%time\nfrom learndyn.theory import b\n```\n",
    "script.py": "def run():\n    import learndyn.figures.style as style\n",
    "lib/learndyn/__init__.py": "",
    "lib/learndyn/claims.py": "",
    "lib/learndyn/theory/__init__.py": "",
    "lib/learndyn/theory/a.py": "import numpy as np\n",
    "lib/learndyn/theory/b.py": "from learndyn.theory.a import formula\n",
    "lib/learndyn/theory/c.py": "from learndyn.theory import b\n",
    "lib/learndyn/figures/__init__.py": "",
    "lib/learndyn/figures/style.py": "from learndyn import claims\n",
    "lib/learndyn/figures/explore.py": "",
    "lib/learndyn/figures/book.mplstyle": "",
}
PACKAGE = {"lib/learndyn/__init__.py", "requirements.lock"}
DEPENDS = {
    "page.md": PACKAGE
    | {f"lib/learndyn/theory/{x}.py" for x in ("__init__", "a", "b")},
    "script.py": PACKAGE
    | {"lib/learndyn/claims.py", "lib/learndyn/figures/book.mplstyle"}
    | {f"lib/learndyn/figures/{name}.py" for name in ("__init__", "style")},
}


@pytest.fixture
def tree(tmp_path):
    """A small library with a page and a script."""
    for name, text in TREE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", DEPENDS)
def test_it_changes_with_what_is_imported_and_with_nothing_else(tree, name):
    before = imports.fingerprint(tree / name, tree)
    changed = set()
    for other in TREE:
        (tree / other).write_text(TREE[other] + "\n")
        if imports.fingerprint(tree / name, tree) != before:
            changed.add(other)
        (tree / other).write_text(TREE[other])
    assert changed == DEPENDS[name]


def test_it_changes_with_the_stored_arrays_beside_a_page(tree):
    before = imports.fingerprint(tree / "page.md", tree)
    (tree / "page.npz").write_bytes(b"new")
    assert imports.fingerprint(tree / "page.md", tree) != before


def test_it_is_the_same_twice(tree):
    page = tree / "page.md"
    assert imports.fingerprint(page, tree) == imports.fingerprint(page, tree)


def test_the_modules_read_are_those_that_import_linter_sees():
    graph = grimp.build_graph("learndyn", cache_dir=None)
    for module in graph.modules:
        seen, todo = set(), [module]
        while todo:
            name = todo.pop()
            if name and name not in seen:
                seen.add(name)
                todo.append(name.rpartition(".")[0])
                todo += graph.find_modules_directly_imported_by(name)
        paths = [
            path.relative_to(ROOT / "lib") for path in imports.files(f"import {module}")
        ]
        names = {
            path.with_suffix("").as_posix() for path in paths if path.suffix == ".py"
        }
        read = {name.removesuffix("/__init__").replace("/", ".") for name in names}
        assert read == seen
