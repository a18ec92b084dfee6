"""What Bluesky is shown instead of a device: one whose operation has started, and one that was read before."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class Outcome:
    """A status that ends when an operation's outcome is recorded, and calls its callbacks at once, in the same thread.

    Args:
        value: what is set; less once a person has taken a part of it as it is.
    """

    def __init__(self, value: float | None = None) -> None:
        self.value = value
        self._lock = threading.Lock()
        self._calls: list[Callable[[Any], None]] = []
        self._error: BaseException | None = None
        self._done = False

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._done

    @property
    def success(self) -> bool:
        """Whether it ended well."""
        return self._done and self._error is None

    def exception(self, timeout: float | None = 0.0) -> BaseException | None:
        """What it failed with."""
        return self._error

    def add_callback(self, call: Callable[[Any], None]) -> None:
        """Call `call` with itself at its end, at once if it has ended."""
        with self._lock:
            if not self._done:
                self._calls.append(call)
                return
        call(self)

    def end(self, error: BaseException | None = None) -> None:
        """End, failed if there is an error."""
        with self._lock:
            self._error = error
            self._done = True
            calls, self._calls = self._calls, []
        for call in calls:
            call(self)


class Begun:
    """A device whose `set` or `trigger` gives the outcome of what has started; all else is the device's own."""

    def __init__(self, thing: Any, outcome: Outcome) -> None:
        self._thing = thing
        self._outcome = outcome

    def __getattr__(self, name: str) -> Any:
        return getattr(self._thing, name)

    def __hash__(self) -> int:
        return hash(self._thing)

    def __eq__(self, other: object) -> bool:
        return self._thing is getattr(other, "_thing", other)

    def set(self, value: Any, **kwargs: Any) -> Outcome:
        """Its outcome."""
        return self._outcome

    def trigger(self, **kwargs: Any) -> Outcome:
        """Its outcome."""
        return self._outcome


class Retold:
    """A device whose `read` gives the recorded reading; all else is the device's own. One for each device and run."""

    def __init__(self, thing: Any) -> None:
        self._thing = thing
        self.reading: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._thing, name)

    def read(self) -> dict[str, Any]:
        """The recorded reading."""
        return self.reading
