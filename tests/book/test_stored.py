"""Stored runs: in few chapters, made by the script beside them, never stale."""

import pytest
import stored
from source import ROOT, Page

CHAPTERS = {
    "attention_symmetry",
    "symmetry_removal",
    "unbalanced_initialization",
    "mean_field_dynamics",
    "mixture_of_experts",
}
DATA = {".npz", ".npy", ".pkl", ".csv", ".h5", ".json", ".parquet"}
SCRIPTS = sorted((ROOT / "book").rglob("*_run.py"))


def test_arrays_are_stored_by_few_chapters_each_beside_its_script():
    trees = [
        path for name in ("book", "lib", "tests") for path in (ROOT / name).rglob("*")
    ]
    data = [path for path in trees if path.suffix in DATA]
    assert sorted(data) == [stored.arrays(script) for script in SCRIPTS]
    assert {script.stem.removesuffix("_run") for script in SCRIPTS} <= CHAPTERS


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_stored_arrays_were_made_by_their_script_and_this_lock(script):
    assert stored.is_current(script)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_the_page_reads_the_stored_arrays_and_says_so(script):
    page = Page(stored.arrays(script).with_suffix(".md"))
    assert stored.arrays(script).name in page.code
    assert "stored" in page.prose


@pytest.fixture
def script(tmp_path):
    """A script that makes one array."""
    path = tmp_path / "toy_run.py"
    path.write_text("import numpy as np\ndef run(): return {'x': np.arange(3)}\n")
    stored.store(path)
    return path


def test_arrays_just_made_are_current(script):
    assert stored.is_current(script)
    with stored.np.load(stored.arrays(script)) as arrays:
        assert arrays["x"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("change", ["# a word\n", "import learndyn.claims\n"])
def test_arrays_of_a_changed_script_are_not_current(script, change):
    script.write_text(change + script.read_text())
    assert not stored.is_current(script)
