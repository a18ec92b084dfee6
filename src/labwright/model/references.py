"""Names in a model that refer to other parts of it, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from labwright.model.errors import unknown

Problem = tuple[tuple[str, ...], str]
"""Where in the model, and what is wrong there."""

Broken = Mapping[str, Collection[str] | None]
"""By section of a model: names of entries that are wrong themselves; None if all of the section is."""


class CrossReferenceError(ValueError):
    """Names or addresses that do not fit together, each with its place in the model."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{'.'.join(where)}: {what}" for where, what in problems))


class References:
    """Collects what does not fit together in a model.

    Args:
        sections: the model's mappings, by name.
        broken: entries that were left out because they are wrong themselves; nothing is said of references to them.

    Attributes:
        problems: so far.
    """

    def __init__(self, sections: Mapping[str, Mapping[str, Any]], broken: Broken) -> None:
        self._sections = sections
        self._broken = broken
        self.problems: list[Problem] = []

    def refer(self, section: str, kind: str, wanted: str, *where: str) -> bool:
        """Whether an entry of a section exists as it is; if it never did, that is a problem at this place."""
        if wanted in self._sections[section]:
            return True
        left_out = self._broken.get(section, ())
        if left_out is not None and wanted not in left_out:
            self.say(unknown(kind, wanted, [*self._sections[section], *left_out]), *where)
        return False

    def whole(self, *sections: str) -> bool:
        """Whether nothing was left out of these sections, so that what is not there is missing."""
        return all(self._broken.get(section, ()) == () for section in sections)

    def say(self, what: str, *where: str) -> None:
        """Something is wrong at a place."""
        self.problems.append((where, what))
