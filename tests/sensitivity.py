"""A pytest plugin that asks of each formula whether its tests would notice 10 %.

With `-p sensitivity --scaled=<name>` every test runs once as it is, which shows who
calls which public formula of `learndyn.theory.<name>`. Then each formula in turn
returns 1.1 times its numbers, and the tests that call it run, quick ones first,
until one fails. The session fails if a test does as it is, or if no test notices
one of the formulas.
"""

import dataclasses
import functools
import inspect
from collections import defaultdict
from importlib import import_module
from operator import itemgetter

import numpy as np

FACTOR = 1.1


def scaled(value):
    """Return `value` with its real and complex numbers larger by a tenth.

    Integers and truth values stay; a value without others is returned itself.
    """
    if isinstance(value, float | complex | np.ndarray | np.generic):
        return (
            value * FACTOR
            if np.issubdtype(np.result_type(value), np.inexact)
            else value
        )
    if dataclasses.is_dataclass(value):
        parts = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **scaled(parts))
    if callable(value):
        return lambda *args, **kwargs: scaled(value(*args, **kwargs))
    if isinstance(value, dict):
        parts = dict(zip(value, map(scaled, value.values()), strict=True))
        return value if all(parts[key] is value[key] for key in value) else parts
    if isinstance(value, tuple | list):
        parts = [scaled(part) for part in value]
        if all(new is old for new, old in zip(parts, value, strict=True)):
            return value
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def pytest_addoption(parser):
    parser.addoption("--scaled", metavar="NAME", help="formula module to be tested")


def pytest_configure(config):
    config.pluginmanager.register(Sensitivity(config.getoption("--scaled")))


class Sensitivity:
    """Stands between the tests and the formulas of one module."""

    def __init__(self, name):
        module = import_module(f"learndyn.theory.{name}")
        self.formulas = [
            name
            for name, formula in vars(module).items()
            if inspect.isfunction(formula)
            and formula.__module__ == module.__name__
            and not name.startswith("_")
        ]
        self.active, self.failed, self.faults = None, False, []
        self.called, self.real = set(), set()
        for name in self.formulas:
            setattr(module, name, self.watched(name, getattr(module, name)))

    def watched(self, name, formula):
        """Return a formula that says when it is called and can be scaled."""

        @functools.wraps(formula)
        def call(*args, **kwargs):
            value = formula(*args, **kwargs)
            larger = scaled(value)
            self.called.add(name)
            if larger is not value:
                self.real.add(name)
            return larger if self.active == name else value

        return call

    def passes(self, item):
        """Run one test."""
        self.failed, self.seconds = False, 0.0
        item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
        return not self.failed

    def pytest_runtest_logreport(self, report):
        self.failed |= report.failed
        self.seconds += report.duration

    def pytest_runtestloop(self, session):
        callers = defaultdict(list)
        for item in session.items:
            self.called.clear()
            if not self.passes(item):
                self.faults.append(f"{item.name} fails as it is")
            for name in self.called:
                callers[name].append((self.seconds, item))
        for name in self.formulas if not self.faults else []:
            self.active = name
            unreal = callers[name] and name not in self.real
            items = [item for _, item in sorted(callers[name], key=itemgetter(0))]
            if not unreal and all(map(self.passes, items)):
                self.faults.append(f"no test notices that {name} is 10 % off")
        session.testsfailed = len(self.faults)
        return True

    def pytest_terminal_summary(self, terminalreporter):
        terminalreporter.write_line("\n".join(["", *self.faults]))
