"""The site and a browser, for the tests of its pages."""

import contextlib
import os
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from playwright.sync_api import sync_playwright
from source import toc
from web import SITE, Visit, parse

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium():
    """A browser without a window."""
    names = filter(None, [os.environ.get("CHROMIUM"), *BROWSERS])
    found = next(filter(None, map(shutil.which, names)), None)
    if not found:
        pytest.fail(
            "no browser: install chromium or google-chrome, or let $CHROMIUM name one",
            pytrace=False,
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site():
    """The folder of the site."""
    if not (SITE / "index.html").is_file():
        pytest.fail("there is no built site: run `make book` first", pytrace=False)
    return SITE


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing about it."""

    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def server(site):
    """Address of the site, served."""
    handler = partial(Quiet, directory=site)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session", params=toc())
def name(request):
    """Each page of the table of contents: `book/…/<name>`."""
    return request.param


@pytest.fixture
def markup(site, name):
    """The page as it is written."""
    return parse(site / f"{name}.html")


@pytest.fixture(scope="session")
def visit(chromium, server, name):
    """The page, served."""
    with contextlib.closing(Visit(chromium, f"{server}/{name}.html")) as visit:
        yield visit


@pytest.fixture(scope="session")
def opened(chromium, site, name):
    """The page, opened from its file."""
    with contextlib.closing(Visit(chromium, (site / f"{name}.html").as_uri())) as visit:
        yield visit
