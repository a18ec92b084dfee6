"""A hand at a page: what it clicks and types is counted, and what the machine takes is measured."""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

OPERATORS_S = {"K": 0.28, "P": 1.1, "B": 0.1, "H": 0.4, "M": 1.35}
"""Seconds of each operator of the keystroke-level model: Card, Moran, Newell, CACM 23 (1980) 396-410: a key (typist of
40 words a minute), pointing, a mouse button pressed or released, a hand moved between mouse and keyboard, a thought."""

SEEN_MS = 20_000
"""For which a page may take to change."""


@dataclass
class Hand:
    """Does a task as a person who knows the page.

    Each act is followed by what has to be seen before the next one: the machine's time is from the act to that. The
    operators follow the rules of 1980: M before each P that chooses something, and before what is typed as a whole;
    none before a click that the pointing has already decided; one more at the end, to read the answer. A click is
    P B B. H whenever the hand goes from mouse to keyboard or back; it begins at the mouse. What is out of sight is
    scrolled to, a K for each height of the window.

    Attributes:
        page: in front of the person.
        operators: so far, one letter each.
        clicks: of the mouse.
        keys: that were typed, Enter among them.
        screens: heights of the window that were scrolled.
        pages: that were loaded.
        machine_s: that the person waited for the machine.
    """

    page: Page
    operators: str = ""
    clicks: int = 0
    keys: int = 0
    screens: int = 0
    pages: int = 0
    machine_s: float = 0.0
    _at_keyboard: bool = field(default=False)

    def click(self, what: str, seen: str = "") -> None:
        """Click on something.

        Args:
            what: selector of it; the first that is there.
            seen: selector of what shows that it was done; nothing is waited for if empty.

        Raises:
            RuntimeError: that is not seen; with what the page says instead.
        """
        target = self.page.locator(what).first
        target.wait_for(timeout=SEEN_MS)
        self._to("mouse")
        self._scroll(target)
        self.operators += "MPBB"
        self.clicks += 1
        before, began_s = self.page.url, time.perf_counter()
        target.click(timeout=SEEN_MS)
        if seen:
            self._wait(seen)
            self.machine_s += time.perf_counter() - began_s
        self.pages += self.page.url.partition("#")[0] != before.partition("#")[0]

    def type(self, text: str) -> None:
        """Type into the field that was clicked on."""
        self._to("keyboard")
        self.operators += "M" + "K" * len(text)
        self.keys += len(text)
        self.page.keyboard.type(text)

    def read(self, what: str) -> str:
        """Read the answer; what it says."""
        found = self.page.locator(what).first
        found.wait_for(timeout=SEEN_MS)
        self._to("mouse")
        self._scroll(found)
        self.operators += "M"
        return found.inner_text()

    @property
    def person_s(self) -> float:
        """What a person takes by the keystroke-level model, without the machine."""
        return sum(OPERATORS_S[name] * count for name, count in Counter(self.operators).items())

    @property
    def sequence(self) -> str:
        """The operators, with what is repeated counted."""
        parts = []
        for letter, same in itertools.groupby(self.operators):
            count = len(list(same))
            parts.append(letter if count == 1 else f"{count}{letter}")
        return " ".join(parts)

    def _to(self, where: str) -> None:
        """Move the hand to mouse or keyboard, if it is not there."""
        if self._at_keyboard != (where == "keyboard"):
            self._at_keyboard = not self._at_keyboard
            self.operators += "H"

    def _wait(self, seen: str) -> None:
        from playwright.sync_api import TimeoutError as LateError

        try:
            self.page.locator(seen).first.wait_for(timeout=SEEN_MS)
        except LateError as error:
            said = " ".join(self.page.locator(".said, [role=alert]").all_inner_texts())
            raise RuntimeError(f"{self.page.url}: {seen} is not seen; the page says {said!r}") from error

    def _scroll(self, target: Locator) -> None:
        """Scroll until the middle of something is in the window, by whole windows."""
        box = target.bounding_box()
        window = self.page.viewport_size
        if box is None or window is None:
            return
        middle, height = box["y"] + min(box["height"], window["height"]) / 2, window["height"]
        screens = abs(math.floor(middle / height))
        if screens:
            self.screens += screens
            self.operators += "K" * screens
            target.scroll_into_view_if_needed()
