"""Ship the `learndyn` wheel and a zip with all that is needed to run the notebooks.

Use: python book/_tools/bundle.py STATIC, where STATIC/notebooks are the notebooks.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

from source import ROOT


def wheel(folder: Path) -> Path:
    """Build the wheel of the library, without a network."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    options = ["--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([*command, *options], check=True)
    return max(folder.glob("learndyn-*.whl"), key=lambda path: path.stat().st_mtime)


def bundle(static: Path) -> Path:
    """Write `learning-dynamics.zip`: notebooks, wheel, lock, README and licence."""
    target = static / "learning-dynamics.zip"
    built = wheel(static)
    files = {
        "README.md": ROOT / "book" / "_tools" / "bundle_readme.md",
        "LICENSE": ROOT / "LICENSE",
        "requirements.lock": ROOT / "requirements.lock",
        built.name: built,
    }
    for path in sorted((static / "notebooks").rglob("*.*")):
        files[path.relative_to(static).as_posix()] = path
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in files.items():
            archive.write(path, f"learning-dynamics/{name}")
    return target


if __name__ == "__main__":
    bundle(Path(sys.argv[1]))
