"""The client of a service."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from labwright.answers.lab import Me
from labwright.client.answers import Event
from labwright.client.bookings import Bookings
from labwright.client.campaigns import Campaigns
from labwright.client.data_classes import DataClasses
from labwright.client.events import listened
from labwright.client.lab import Audit, Lab, Questions
from labwright.client.material import Inventory, Runs, Samples
from labwright.client.own_keys import Keys
from labwright.client.people import People
from labwright.client.remarks import Deviations, Notes
from labwright.client.requests import Requests
from labwright.client.stations import Stations
from labwright.client.webhooks import Webhooks
from labwright.client.wire import PATIENCE_S, Wire

if TYPE_CHECKING:
    import pandas


class Client:
    """A lab that is served over HTTP.

    Each call that changes something has an Idempotency-Key of its own, and is sent again with it if no answer comes: it
    is done once. What the service refuses is a `ProblemError`.

    Args:
        url: of the service; from LABWRIGHT_URL if None.
        key: of the person or program; from `key_file`, or LABWRIGHT_KEY, if None.
        key_file: with the key, readable by its owner alone.
        verify: file with the certificate to be trusted, or a context; the system's if True.
        patience_s: wall seconds for which a request is sent again if the service does not answer.

    Attributes:
        requests: ask for experiments, decide, follow, fetch what was found.
        campaigns: hand over, look at, steer.
        questions: that only a person can answer.
        notes: what people have written.
        deviations: what was not as it should be.
        lab: status, stop, reset.
        stations: what can be set and read there by hand.
        bookings: stations that people have for a time.
        inventory: stocks, wastes, positions.
        samples: what was made.
        runs: what stations have recorded.
        people: and projects, for admins.
        keys: of one's own; and the first of a person or program, for admins.
        webhooks: where what happens to requests is sent.
        data_classes: who may see data.
        audit: the audit trail.
        wire: for what has no method here.

    Raises:
        ConfigError: there is no URL, or no key.
        RefusedError: other users of the machine may read the key.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        key_file: Path | str | None = None,
        verify: ssl.SSLContext | Path | str | bool = True,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.wire = Wire(url, key, key_file=key_file, verify=verify, patience_s=patience_s)
        self.requests = Requests(self.wire)
        self.campaigns = Campaigns(self.wire)
        self.questions = Questions(self.wire)
        self.notes = Notes(self.wire)
        self.deviations = Deviations(self.wire)
        self.lab = Lab(self.wire)
        self.stations = Stations(self.wire)
        self.bookings = Bookings(self.wire)
        self.inventory = Inventory(self.wire)
        self.samples = Samples(self.wire)
        self.runs = Runs(self.wire)
        self.people = People(self.wire)
        self.keys = Keys(self.wire)
        self.webhooks = Webhooks(self.wire)
        self.data_classes = DataClasses(self.wire)
        self.audit = Audit(self.wire)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of connections."""
        self.wire.close()

    def me(self) -> Me:
        """Who the key is of, and what it allows."""
        return Me.model_validate(self.wire.get("/v1/me"))

    def events(self, after: int | None = None, *, campaign: str = "") -> Iterator[Event]:
        """What happens, as it is recorded, for ever, without a gap: a lost connection is resumed after the last event.

        Args:
            after: id of the last event that is known; only new ones if None.
            campaign: id of the only one that is listened to; `Campaigns.follow` ends with it.

        Raises:
            ProblemError: the service refuses.
            UnreachableServiceError: it is not there again within `patience_s`.
        """
        return listened(self.wire, after, campaign)

    def experiments(self, campaign: str) -> pandas.DataFrame:
        """The experiments of a campaign as a table: a row each, parameters, outcomes with their standard errors.

        Args:
            campaign: its id, or its name: the newest of it.
        """
        import pandas

        rows: list[dict[str, Any]] = []
        for one in self.campaigns.experiments(self.campaigns.id_of(campaign)):
            row: dict[str, Any] = {"id": one.id, "label": one.label, "status": one.status, "source": one.source}
            row |= {"use": one.use, **one.params}
            for name, found in one.outcomes.items():
                row |= {name: found.get("mean"), f"{name}_sem": found.get("sem")}
            rows.append(row)
        return pandas.DataFrame(rows)
