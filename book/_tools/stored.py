"""Runs that honestly need minutes: made once, their arrays kept beside the page.

`<name>_run.py` defines `run()`, which returns a dict of arrays. This makes them
and writes `<name>.npz`, with the fingerprint of the script, of what it imports
and of the lock: python book/_tools/stored.py book/<part>/<name>_run.py
"""

import hashlib
import runpy
import sys
from pathlib import Path

import imports
import numpy as np


def fingerprint(script: Path) -> str:
    """Digest of the script and of all it depends on."""
    text = script.read_text(encoding="utf-8") + imports.fingerprint(script)
    return hashlib.sha256(text.encode()).hexdigest()


def arrays(script: Path) -> Path:
    """Path of the arrays that `script` makes."""
    return script.with_name(script.stem.removesuffix("_run") + ".npz")


def is_current(script: Path) -> bool:
    """Whether the stored arrays were made by this script in this environment."""
    with np.load(arrays(script)) as stored:
        return stored["fingerprint"] == fingerprint(script)


def store(script: Path) -> None:
    """Run the script and keep what it returns."""
    made = runpy.run_path(str(script))["run"]()
    np.savez_compressed(arrays(script), fingerprint=fingerprint(script), **made)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        store(Path(name).resolve())
