"""What stands nowhere in the project, and what stands on no page."""

import re

import pytest
from source import ROOT

FOLDERS = ("lib", "book", "tests", ".github", ".ci")
SUFFIXES = {"", ".bib", ".cff", ".css", ".html", ".js", ".lock", ".md", ".mplstyle"}
SUFFIXES |= {".py", ".svg", ".toml", ".txt", ".yml", ".yaml"}
TREES = [path for name in FOLDERS for path in (ROOT / name).rglob("*")]
FILES = [
    path
    for path in [*TREES, *ROOT.iterdir()]
    if path.is_file() and path.suffix in SUFFIXES
]
HOST = re.compile(r"\b(?:https?|ftp|git|ssh)://([\w.-]+)")
HOSTS = {"doi.org", "arxiv.org"}  # to follow, never to load anything from
# The tests' server and their example; the licence; the names of SVG.
OWN_HOSTS = {"127.0.0.1", "creativecommons.org", "example.org", "www.w3.org"}

ANYWHERE = {
    "a path of one machine": r"/(?:home|root|Users|tmp|work|mnt|opt)/\w",
    "a ticket": r"(?i)\bissue\s*#",
    "an installation from within": r"[%!]\s*pip\b",
    "a changed import path": r"\bsys\.path\b",
    "numpy's global random state": r"\brandom\.(?:seed|rand|randn|normal|uniform)\(\d",
    "a silenced warning": r"warnings\.(?:filter|simple|catch)|\bfilterwarnings\(",
}
IN_CELLS = {
    "numpy's global random state": r"\bnp\.random\.(?!default_rng|Generator)",
    "an own training loop": r"\bapply_updates\b",
    "a connection to a host": r"\b(?:requests|urllib|socket)\b",
}


def found(pattern, paths):
    """Where a pattern matches."""
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(pattern, line)
    ]


@pytest.mark.parametrize("what", ANYWHERE)
def test_nowhere_in_the_project_is_there(what):
    assert FILES
    assert found(ANYWHERE[what], FILES) == []


@pytest.mark.parametrize("what", IN_CELLS)
def test_in_no_cell_of_a_page_is_there(what, page):
    assert not re.search(IN_CELLS[what], page.code)


def test_no_cell_may_fail(page):
    for cell in page.cells:
        assert "raises-exception" not in str(cell.options), f"line {cell.line + 1}"


def test_pages_link_to_papers_only(page):
    assert set(HOST.findall(page.text)) <= HOSTS


def test_no_other_host_is_named_in_the_project():
    hosts = {host for path in FILES for host in HOST.findall(path.read_text("utf-8"))}
    assert hosts <= HOSTS | OWN_HOSTS


def test_no_module_is_called_by_what_it_is_not():
    names = {"utils", "util", "helpers", "common", "misc"}
    assert not [path for path in FILES if path.stem in names]
