"""Notes, and deviations from what was meant."""

from __future__ import annotations

from labwright.answers.base import Answered
from labwright.answers.lab import Command


class _About(Answered):
    """What is said, and about what.

    Attributes:
        id: of it.
        n: its number in the lab.
        about: ``campaign``, ``experiment``, ``sample``, ``station`` or ``stock``.
        name: of the station, or the container of the stock; else empty.
        campaign: its id, or whose experiment or sample it is; else empty.
        label: of the experiment or sample; else empty.
        by: who has said it.
        said_s: wall time at which.
    """

    id: str
    n: int = 0
    about: str
    name: str = ""
    campaign: str = ""
    label: str = ""
    by: str = ""
    said_s: float | None = None


class Note(_About):
    """What a person has written.

    Attributes:
        text: that.
        replaces: id of the note whose place it takes; empty if of none.
        replaced_by: id of the note that has taken its place; empty while it stands.
    """

    text: str
    replaces: str = ""
    replaced_by: str = ""


class Deviation(_About):
    """Something that was not as it should be.

    Attributes:
        state: ``open``, or ``closed``.
        experiments: labels of those whose results it concerns.
        expected: what should have been.
        happened: what was instead.
        category: ``material``, ``equipment``, ``procedure``, ``environment``, ``operator`` or ``data``.
        severity: ``minor``, ``major`` or ``critical``.
        action: what was done about it at once; may be empty.
        first_use: the use of results when it was opened.
        use: whether results may be used now: ``as measured``, ``not for the planner`` or ``not at all``.
        conclusion: with which it was closed; empty before.
        closed_by: who has closed it.
        closed_s: wall time at which; null before.
    """

    state: str
    experiments: list[str] = []
    expected: str
    happened: str
    category: str
    severity: str
    action: str = ""
    first_use: str = ""
    use: str = ""
    conclusion: str = ""
    closed_by: str = ""
    closed_s: float | None = None


class RemarkMade(Command):
    """What came of it; ``result`` is the id of the note or the deviation."""
