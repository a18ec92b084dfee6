"""Where a verb works: on a journal that this machine reaches, or through a service by URL and key.

A verb says for both how it finds or does something (`seen`, `done`), and shows what comes of it in one way.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from labwright.model.errors import ConfigError, RefusedError

if TYPE_CHECKING:
    from labwright.client import Client
    from labwright.journal import Journal, Latch

Found = TypeVar("Found")

PATIENCE_S = 5.0
"""Wall seconds for which a service that does not answer is asked again: as long as one takes to start once more."""


@dataclass(frozen=True)
class Site:
    """A service.

    Attributes:
        url: of it.
        key_file: with the key; from the environment if None.
    """

    url: str
    key_file: Path | None = field(default=None, repr=False)

    @property
    def option(self) -> str:
        """That names it on a command line."""
        return f"--url {shlex.quote(self.url)}"

    def client(self) -> Client:
        """A client of it; to be closed.

        Raises:
            ConfigError: there is no key.
        """
        from labwright.client import Client

        return Client(self.url, key_file=self.key_file, patience_s=PATIENCE_S)


Place = str | Path | Site
"""Of a journal: its URL, or its file; or a service."""


@dataclass(frozen=True)
class Seen(Generic[Found]):
    """What was found.

    Attributes:
        facts: that.
        name: of the place, as people know it.
        option: that names the place on a command line.
    """

    facts: Found
    name: str
    option: str


def seen(place: Place, here: Callable[[Journal], Found], there: Callable[[Client], Found]) -> Seen[Found]:
    """Look for something.

    Args:
        place: where.
        here: looks in a journal, which it does not change.
        there: asks a service.

    Raises:
        LabwrightError: as from the one or the other.
    """
    if isinstance(place, Site):
        return Seen(done(place, _never, there), place.url, place.option)
    from labwright.journal import Journal, place_option

    with Journal.reading(place) as journal:
        return Seen(here(journal), journal.name, place_option(journal))


def done(place: Place, here: Callable[[Journal], Found], there: Callable[[Client], Found]) -> Found:
    """Do something.

    Args:
        place: where.
        here: does it, or asks the controller for it, with a journal.
        there: asks a service for it.

    Raises:
        LabwrightError: as from the one or the other.
    """
    if isinstance(place, Site):
        from labwright.client import ProblemError

        with place.client() as client:
            try:
                return there(client)
            except ProblemError as problem:
                raise problem.plain() from problem
    from labwright.journal import Journal

    with Journal(place) as journal:
        return here(journal)


def at(site: Site, there: Callable[[Client], Found]) -> Found:
    """Do something that is only done at a service.

    Raises:
        LabwrightError: as from it.
    """
    return done(site, _never, there)


def option_of(place: Place) -> str:
    """The option that names a service on a command line."""
    assert isinstance(place, Site)  # noqa: S101 - tells mypy; a journal knows its own
    return place.option


def latches_of(found: Sequence[Mapping[str, Any]]) -> list[Latch]:
    """Stops that hold, as a service has listed them."""
    from pydantic import TypeAdapter

    from labwright.journal import Latch

    return TypeAdapter(list[Latch]).validate_python(found)


def _never(journal: Journal) -> Any:
    raise AssertionError("a service is no journal")


def on_folder(place: Place, what: str) -> str | Path:
    """The place of a journal, for a verb that works on nothing else.

    Args:
        place: that was named.
        what: is done there, in words.

    Raises:
        RefusedError: it is a service.
    """
    if isinstance(place, Site):
        raise RefusedError(
            f"{what} works on the journal itself, and not over HTTP: type it on the machine that has the journal, with "
            f"--data or --journal ({place.url} was named, or LABWRIGHT_URL is set)"
        )
    return place


def site_of(url: str, key_file: Path | None, folder: bool) -> Site | None:
    """The service that is meant; None if a folder or a journal is.

    What is named explicitly counts more than what the environment says (``LABWRIGHT_URL``).

    Args:
        url: of the service, as it was named; empty if it was not.
        key_file: with the key.
        folder: whether a folder or a journal was named.

    Raises:
        ConfigError: both are named.
    """
    if url and folder:
        raise ConfigError(
            "--url names a service, and --lab, --data and --journal a folder or journal: give one of both"
        )
    if not url and not folder:
        url = os.environ.get("LABWRIGHT_URL", "")
    if not url:
        if key_file is not None:
            raise ConfigError("--key-file is for a service: name it with --url, or with LABWRIGHT_URL")
        return None
    return Site(url, key_file)
