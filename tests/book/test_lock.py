"""One list of versions, used by everything that installs the book."""

import os
import re
import tomllib
from collections import Counter

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from source import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))[
    "project"
]


def parsed(name):
    """Return a YAML file of the project."""
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pins():
    """Return (requirement, hashes) of each entry of the lock."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    entries = [line.split(" --hash=") for line in lines if re.match(r"[\w-]", line)]
    return [(Requirement(entry.strip()), hashes) for entry, *hashes in entries]


def test_a_package_stands_in_the_lock_once(pins):
    assert pins
    count = Counter(canonicalize_name(requirement.name) for requirement, _ in pins)
    assert not {name for name, times in count.items() if times > 1}


def test_every_package_is_pinned_to_one_version_with_hashes(pins):
    for requirement, hashes in pins:
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", h.strip()) for h in hashes)


def test_the_lock_holds_every_dependency_of_the_project(pins):
    locked = {
        canonicalize_name(requirement.name): str(requirement.specifier)[2:]
        for requirement, _ in pins
    }
    extras = [
        item for group in PROJECT["optional-dependencies"].values() for item in group
    ]
    for wanted in map(Requirement, PROJECT["dependencies"] + extras):
        version = locked[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(version, prereleases=True), wanted


def test_conda_installs_the_lock():
    *packages, pip = parsed("environment.yml")["dependencies"]
    wanted = {each.name: each.specifier for each in map(Requirement, packages)}
    assert wanted["python"].contains("3.11")
    assert not wanted["python"].contains("3.10")
    assert "pip" in wanted
    assert pip["pip"] == ["-r requirements.lock"]


def test_every_workflow_calls_the_one_command():
    workflows = sorted((ROOT / ".github/workflows").glob("*.yml"))
    assert workflows
    for path in workflows:
        jobs = parsed(path)["jobs"].values()
        runs = [step.get("run", "") for job in jobs for step in job["steps"]]
        assert any(".ci/run" in run for run in runs), path.name
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_the_citation_names_this_edition():
    citation = parsed("CITATION.cff")
    assert {"cff-version", "message", "authors", "date-released"} <= set(citation)
    assert citation["title"].startswith(parsed("_config.yml")["title"])
    assert citation["version"] == PROJECT["version"]
