"""Answers with what a client adds, as the version, which a change may name; all others are in `labwright.answers`."""

from __future__ import annotations

from typing import Any

from labwright.answers import desk, people
from labwright.answers.base import Answered


class Event(Answered):
    """Something that has happened.

    Attributes:
        id: by which a stream is resumed.
        kind: of event.
        campaign: in which; empty for the lab.
        lab_time_s: lab time.
        wall_time_s: wall time.
        data: the rest.
    """

    id: int
    kind: str
    campaign: str = ""
    lab_time_s: float = 0.0
    wall_time_s: float = 0.0
    data: dict[str, Any] = {}


class Person(people.Person):
    """A person or a program that is let in, in one version.

    Attributes:
        version: of the answer; a change may name it, and is refused if the person has changed since.
    """

    version: str = ""


class Project(people.Project):
    """A project, in one version.

    Attributes:
        version: of the answer; a change may name it, and is refused if the project has changed since.
    """

    version: str = ""


class KeptRequest(desk.WholeRequest):
    """A request as the service keeps it, in one version.

    Attributes:
        version: of the answer; an edit names it, and is refused if the request has changed since.
    """

    version: str = ""


class Link(desk.MadeLink):
    """A link to what was found, for those without a key.

    Attributes:
        url: that leads there.
    """

    url: str
