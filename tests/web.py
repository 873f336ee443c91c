"""The built site, read as text and visited in a browser."""

import gzip
from functools import cache
from urllib.parse import unquote, urlsplit

from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from source import ROOT

SITE = ROOT / "_build/html"
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}
ALIVE = """() => [...document.querySelectorAll("figure.explorable")]
    .every((figure) => !figure.offsetParent || "ready" in figure.dataset)"""
TYPESET = "() => window.MathJax?.startup?.promise.then(() => null)"
OVERHANG = """() => {
    const { scrollWidth, clientWidth } = document.scrollingElement;
    return scrollWidth - clientWidth;
}"""


@cache
def parse(path):
    """Markup of a file of the site."""
    return BeautifulSoup(path.read_bytes(), "html.parser")


@cache
def weight(url):
    """Bytes that the file behind an address takes when gzipped."""
    file = SITE / unquote(urlsplit(url).path).lstrip("/")
    return len(gzip.compress(file.read_bytes())) if file.is_file() else 0


class Visit:
    """A page, opened and scrolled to its end: what it asked for, what went wrong."""

    def __init__(self, chromium, address):
        self.requests, self.faults = [], []
        self.page = chromium.new_page(viewport=DESKTOP, color_scheme="light")
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", self.heard)
        self.page.goto(address)
        self.settle()
        self.first_view = sum(map(weight, set(self.requests)))
        self.scroll()

    def close(self):
        """Close the page."""
        self.page.close()

    def heard(self, message):
        """Keep what the console calls an error."""
        if message.type == "error":
            self.faults.append(f"{message.text} ({message.location['url']})")

    def settle(self):
        """Wait until formulas are set and nothing is loading."""
        self.page.evaluate(TYPESET)
        self.page.wait_for_load_state("networkidle")

    def scroll(self):
        """Pass every explorable, which is loaded when it is approached, to the end."""
        for figure in self.page.locator("figure.explorable").all():
            figure.scroll_into_view_if_needed()
        self.page.keyboard.press("End")
        try:
            self.page.wait_for_function(ALIVE, timeout=30_000)
        except PlaywrightTimeout:
            self.faults.append("an explorable does not come to life")
        self.settle()

    def barriers(self, scheme):
        """What axe calls serious or critical, in light or dark."""
        self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        self.page.wait_for_function(
            "(scheme) => document.documentElement.dataset.theme === scheme", arg=scheme
        )
        self.page.wait_for_timeout(400)  # colours fade
        found = Axe().run(self.page, options={"resultTypes": ["violations"]})
        return [
            f"{each['id']}: {node['target']}"
            for each in found.response["violations"]
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"][:3]
        ]

    def overhang(self, viewport):
        """Pixels by which the page is wider than the window."""
        self.page.set_viewport_size(viewport)
        self.page.wait_for_timeout(300)  # figures follow their column
        wider = self.page.evaluate(OVERHANG)
        self.page.set_viewport_size(DESKTOP)
        return wider
