"""A formula that is wrong by a tenth does not survive the tests of its module."""

import subprocess
import sys

import numpy as np
import pytest
from sensitivity import scaled
from source import ROOT, chapters

NAMES = [path.stem for path in chapters()]


@pytest.mark.sensitivity
@pytest.mark.parametrize("name", NAMES)
def test_a_formula_scaled_by_a_tenth_fails_its_tests(name):
    options = ["-o", "addopts=", "--import-mode=importlib", "-q", "--tb=no"]
    options += ["-p", "no:cacheprovider", "-p", "sensitivity", f"--scaled={name}"]
    run = subprocess.run(
        [sys.executable, "-m", "pytest", *options, f"tests/theory/test_{name}.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_real_numbers_are_scaled_wherever_they_stand():
    value = scaled({"a": (1.0, np.array([2.0]), 3), "b": [True, 1j]})
    assert value["a"][0] == 1.1
    assert value["a"][1] == 2.2
    assert value["a"][2] == 3
    assert value["b"] == [True, 1.1j]
    assert scaled(lambda x: x)(2.0) == 2.2


@pytest.mark.parametrize("value", [1, True, "word", np.arange(3), (1, [2]), {"n": 1}])
def test_what_holds_no_real_number_is_left_alone(value):
    assert scaled(value) is value
