"""Theory and simulation stand apart; formulas build on earlier chapters only."""

import subprocess
import sys
from pathlib import Path

from imports import imported
from source import ROOT, chapters

THEORY = ROOT / "lib/learndyn/theory"


def test_import_linter_keeps_the_contracts_of_pyproject():
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout
    assert "0 broken" in said.stdout


def test_formulas_know_nothing_but_numpy_and_scipy():
    for path in THEORY.glob("*.py"):
        names = imported(path.read_text(encoding="utf-8"))
        known = {*sys.stdlib_module_names, "numpy", "scipy", "jaxtyping"}
        strange = {name for name in names if name.split(".")[0] not in known}
        own = ("learndyn.theory.", "learndyn.checks", "learndyn.groups")
        assert not {name for name in strange if not name.startswith(own)}, path.name


def test_formulas_build_on_those_of_earlier_chapters_only():
    read: set[str] = set()
    for name in (path.stem for path in chapters()):
        module = THEORY / f"{name}.py"
        if module.is_file():
            names = imported(module.read_text(encoding="utf-8"))
            parts = [each.split(".") for each in names]
            used = {each[2] for each in parts if each[:2] == ["learndyn", "theory"]}
            assert used <= read, f"{name} builds on {used - read}, read later"
        read.add(name)
