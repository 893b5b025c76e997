"""Pages read tag by tag, and opened in a real browser; pictures read for their text."""

import re
import shutil
import subprocess
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here to open pages: apt-get install chromium")


def svg_texts(path: Path) -> list[str]:
    """The lines of text in a picture, whose letters matplotlib draws as outlines and names in comments."""
    return [unescape(text) for text in re.findall("<!-- (.*) -->", path.read_text(encoding="utf-8"))]


class Tags(HTMLParser):
    """What a page is made of: its tags, and the addresses in their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


def opened(page: Path, profile: Path) -> str:
    """The document after its scripts have run.

    Raises:
        AssertionError: something was written to the console, such as an error or a refused request.
    """
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    command += ["--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    command += [f"--user-data-dir={profile}", "--window-size=390,844", page.resolve().as_uri()]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr
    console = re.findall(r".*CONSOLE.*", ended.stderr)
    assert not console, console
    return ended.stdout
