"""A tab of a browser as a person has it: signed in, in a language, a theme and a width."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from tests.browser.conftest import AXE

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

WIDTHS = (1200, 420)


class Tab:
    """A tab.

    Args:
        browser: that opens it.
        url: of the service.
        key: to sign in with; not signed in if empty.
        language: of the person.
        theme: of the machine.
        width: of the window.
        scripts: whether they run.
    """

    def __init__(
        self,
        browser: Browser,
        url: str,
        key: str = "",
        *,
        language: Literal["en", "ja"] = "en",
        theme: Literal["light", "dark"] = "light",
        width: int = 1200,
        scripts: bool = True,
    ) -> None:
        self.url = url
        self.errors: list[str] = []
        self.tolerated: tuple[str, ...] = ()
        self.context = browser.new_context(
            viewport={"width": width, "height": 900},
            locale="ja-JP" if language == "ja" else "en-GB",
            color_scheme=theme,
            java_script_enabled=scripts,
        )
        self.page: Page = self.context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.errors.append(f"{self.page.url}: {error}"))
        if key:
            self.go("/sign-in")
            self.page.fill("input[name=key]", key)
            self.page.click("form:has(input[name=key]) button")
            self.page.wait_for_url(lambda now: "/sign-in" not in now and "/call/" not in now)

    def go(self, path: str) -> Page:
        """Open a page of the console."""
        answer = self.page.goto(f"{self.url}{path}")
        assert answer is not None
        assert answer.status == 200, f"{path}: {answer.status}"
        return self.page

    def settled(self) -> None:
        """Wait until the page hears the service."""
        self.page.locator("#news", has_text=re.compile("live|更新中")).wait_for()

    def violations(self) -> list[str]:
        """What axe finds wrong with the page, and regions with words that are not to be seen."""
        unseen: list[str] = self.page.evaluate(
            """[...document.querySelectorAll('main .region')]
                .filter(one => one.textContent.trim() && !one.checkVisibility()).map(one => one.id)"""
        )
        self.page.evaluate(AXE.read_text("utf-8"))
        found: Any = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [f"{self.page.url}: #{one} is hidden" for one in unseen] + [
            f"{self.page.url}: {one['id']}: {one['help']}: {node['target']} {node.get('failureSummary', '')}"
            for one in found["violations"]
            for node in one["nodes"]
        ]

    def sideways(self) -> bool:
        """Whether the page is wider than its window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))

    def shift(self) -> float:
        """How much of what was seen has moved by itself (cumulative layout shift) since the page was loaded."""
        return float(
            self.page.evaluate(
                """() => new Promise(done => {
                    let sum = 0;
                    new PerformanceObserver(list => {
                        for (const one of list.getEntries()) if (!one.hadRecentInput) sum += one.value;
                    }).observe({type: "layout-shift", buffered: true});
                    setTimeout(() => done(sum), 200);
                })"""
            )
        )

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(word in message.text for word in self.tolerated):
            self.errors.append(f"{self.page.url}: {message.type}: {message.text}")
