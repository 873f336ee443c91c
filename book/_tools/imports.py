"""What a page's results depend on besides its own text.

That is the modules of `lib/learndyn` that its code imports, directly or through
each other, and the lock. Read from the source: nothing is imported here.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

from source import ROOT, Page


@cache
def imported(code: str) -> frozenset[str]:
    """Dotted names that `code` imports, `from a import b` as `a.b`.

    >>> sorted(imported("import numpy as np; from learndyn.theory import balance"))
    ['learndyn.theory.balance', 'numpy']
    """
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(names)


def files(code: str, root: Path = ROOT) -> set[Path]:
    """Files of `lib/learndyn` that running `code` reads, packages' data included."""
    found: set[Path] = set()
    todo = [code]
    while todo:
        for name in imported(todo.pop()):
            path = root / "lib"
            for part in name.split(".") if name.startswith("learndyn") else []:
                path /= part
                new = _read_by(path) - found
                found |= new
                todo += [
                    file.read_text(encoding="utf-8")
                    for file in new
                    if file.suffix == ".py"
                ]
    return found


def fingerprint(path: Path, root: Path = ROOT) -> str:
    """Digest of all that the code of a page or script at `path` depends on.

    The text at `path` is no part of it; the stored arrays beside a page are.
    """
    page = path.suffix == ".md"
    code = Page(path).code if page else path.read_text(encoding="utf-8")
    stored = path.with_suffix(".npz")
    sources = [root / "requirements.lock", *sorted(files(code, root))]
    digest = hashlib.sha256()
    for source in [*sources, stored] if stored.is_file() else sources:
        digest.update(f"{source.name}\0".encode() + source.read_bytes())
    return digest.hexdigest()


def _read_by(path: Path) -> set[Path]:
    """Files read when the package or module at `path` is imported."""
    if path.is_dir():
        return {
            file
            for file in path.iterdir()
            if file.is_file() and (file.suffix != ".py" or file.stem == "__init__")
        }
    module = path.with_suffix(".py")
    return {module} if module.is_file() else set()
