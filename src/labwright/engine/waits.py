"""What samples wait for, as the dispatcher has decided it last: for who looks on, and no part of the state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field, replace

from labwright.engine.dirty import DirtyRows
from labwright.model.waiting import Waiting


@dataclass
class Waits:
    """Keeps it, and marks what has changed.

    Attributes:
        dirty: collects what has changed.
        of: by sample, by id.
    """

    dirty: DirtyRows
    of: dict[str, tuple[Waiting, ...]] = field(default_factory=dict)
    _now: dict[str, list[Waiting]] = field(default_factory=dict)
    _alike: Counter[str] = field(default_factory=Counter)

    def look_anew(self, live: Container[str]) -> None:
        """Samples are decided about again.

        Args:
            live: ids of those under way.
        """
        self._now.clear()
        for sample in [one for one in self.of if one not in live]:
            self._say(sample, ())

    def again(self) -> None:
        """All of them are decided about once more: others have started since."""
        self._alike.clear()

    def begin(self, sample: str) -> None:
        """A sample is decided about."""
        self._now[sample] = []

    def add(self, sample: str, waiting: Waiting) -> None:
        """One of its steps waits."""
        self._now[sample].append(waiting)

    def alike(self, step_id: str) -> None:
        """A further sample that has nothing yet waits for the same as this step."""
        self._alike[step_id] += 1

    def end(self) -> None:
        """All have been decided about."""
        for sample, waiting in self._now.items():
            self._say(sample, tuple(replace(one, alike=self._alike[one.step_id]) for one in waiting))

    def _say(self, sample: str, waiting: tuple[Waiting, ...]) -> None:
        before = self.of.get(sample, ())
        if waiting == before:
            return
        self.dirty.waits |= dict.fromkeys(one.step_id for one in before) | {one.step_id: one for one in waiting}
        if waiting:
            self.of[sample] = waiting
        else:
            del self.of[sample]
