"""Execute the pages whose text, imports or lock changed, two at a time (--jobs).

Sphinx then finds every page in the cache. jupyter-cache knows a page by the text
of its code cells only; the fingerprint of what the page imports and of the lock
is kept beside each record, and a record whose fingerprint differs is executed
again. Seconds are those of a page alone if jobs is 1, and the record says so.
Use: python book/_tools/execute.py [--jobs N] [page ...]
"""

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import jupytext
import yaml
from imports import fingerprint
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.executors.utils import ExecutionResult, single_nb_execution
from source import ROOT, toc

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["execute"]
CACHE = ROOT / CONFIG["cache"]


def pages() -> list[Path]:
    """Every page with code, in the order of the table of contents."""
    found = [ROOT / f"{name}.md" for name in toc()]
    return [path for path in found if "{code-cell}" in path.read_text("utf-8")]


def stale(paths: list[Path]) -> list[Path]:
    """Pages without a valid record; records that are no longer valid are removed."""
    cache = get_cache(CACHE)
    found = []
    for path in paths:
        try:
            record = cache.match_cache_notebook(jupytext.read(path))
        except KeyError:
            found.append(path)
            continue
        if record.data.get("fingerprint") != fingerprint(path):
            cache.remove_cache(record.pk)
            found.append(path)
    return found


def run(path: Path) -> ExecutionResult:
    """Execute one page in its own folder, in a kernel of its own."""
    notebook = jupytext.read(path)
    return single_nb_execution(
        notebook,
        cwd=str(path.parent),
        timeout=CONFIG["timeout"],
        allow_errors=False,
    )


def main() -> int:
    """Execute what is stale; exit status 1 if a page failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("pages", nargs="*", type=Path)
    asked = parser.parse_args()
    os.environ["LEARNDYN_EXPLORABLES"] = "site"
    wanted = [path.resolve() for path in asked.pages] or pages()
    CACHE.mkdir(parents=True, exist_ok=True)
    todo, cache, failed = stale(wanted), get_cache(CACHE), 0
    print(f"{len(wanted)} pages with code, {len(todo)} to execute", flush=True)
    with ThreadPoolExecutor(asked.jobs) as pool:
        running = {pool.submit(run, path): path for path in todo}
        for future in as_completed(running):
            path, result = running[future], future.result()
            name = path.relative_to(ROOT)
            if result.err:
                failed += 1
                print(f"FAILED {name}\n{result.exc_string}", flush=True)
                continue
            data = {
                "execution_seconds": result.time,
                "fingerprint": fingerprint(path),
                "alone": asked.jobs == 1,
            }
            cache.cache_notebook_bundle(
                CacheBundleIn(result.nb, str(path), data=data),
                check_validity=False,
                overwrite=True,
            )
            print(f"{result.time:6.1f} s  {name}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
