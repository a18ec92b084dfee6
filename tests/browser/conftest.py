"""A real browser for tests: Debian's Chromium, driven by Playwright; skipped in words where one of both is missing."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

AXE = Path(__file__).parents[2] / ".venv" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
"""Where `make test-browser` puts it."""


def _missing() -> str:
    """What a browser's test lacks on this machine; empty if nothing."""
    if importlib.util.find_spec("playwright") is None:
        return "playwright is not installed: make test-browser installs it"
    if _chromium() is None:
        return "there is no Chromium on PATH (apt-get install chromium)"
    if not AXE.exists():
        return "axe-core is not installed: make test-browser installs it"
    return ""


def _chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser; each test opens contexts of its own in it."""
    if words := _missing():
        if os.environ.get("LABWRIGHT_REQUIRE_BROWSER") == "1":
            pytest.fail(f"{words}; LABWRIGHT_REQUIRE_BROWSER=1 asks for it")
        pytest.skip(words)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=_chromium(), args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Callable[..., Any]]:
    """Opens tabs, and looks at the end whether any of them had an error."""
    from tests.browser.tabs import Tab

    tabs: list[Tab] = []

    def one(url: str, key: str = "", **look: Any) -> Tab:
        tab = Tab(chromium, url, key, **look)
        tabs.append(tab)
        return tab

    yield one
    for tab in tabs:
        tab.context.close()
    assert [words for tab in tabs for words in tab.errors] == []
