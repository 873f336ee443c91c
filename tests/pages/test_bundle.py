"""The zip of the site: unpacked in an empty environment, every notebook runs."""

import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from source import ROOT

ARCHIVE = ROOT / "_build" / "html" / "_static" / "learning-dynamics.zip"
CLEAN = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("PYTHON", "VIRTUAL_ENV", "LEARNDYN", "JUPYTER"))
}


def call(*command, **options):
    """Run a command; on failure show what it printed."""
    done = subprocess.run(
        [str(word) for word in command],
        env=CLEAN,
        capture_output=True,
        text=True,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The archive, unpacked beside an environment made from its own lock."""
    folder = tmp_path_factory.mktemp("bundle")
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    (home,) = folder.iterdir()
    tools = Path(sys.executable).parent
    python = home / ".venv" / "bin" / "python"
    call(tools / "uv", "venv", "--python", sys.executable, home / ".venv")
    install = (tools / "uv", "pip", "install", "--quiet", "--python", python)
    call(*install, "--require-hashes", "-r", home / "requirements.lock")
    call(*install, "--no-deps", *home.glob("learndyn-*.whl"))
    return home


def test_every_notebook_runs_from_top_to_bottom(unpacked):
    notebooks = sorted((unpacked / "notebooks").rglob("*.ipynb"))
    assert len(notebooks) > 4

    def run(path):
        call(".venv/bin/jupyter", "execute", "--timeout=600", path, cwd=unpacked)

    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(run, notebooks))
