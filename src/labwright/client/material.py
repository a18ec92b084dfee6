"""Stocks, samples and runs at a service."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from labwright.answers.material import Sample
from labwright.client.wire import Wire


class Inventory:
    """Stocks, wastes and positions.

    Args:
        wire: to the service.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def list(self, instruments: str = "") -> dict[str, Any]:
        """What a deck has left: ``stocks``, ``wastes``, ``positions``; amounts in the smallest unit.

        Args:
            instruments: which deck, if the journal knows several.
        """
        found: dict[str, Any] = self._wire.get("/v1/inventory", instruments=instruments)
        return found

    def containers(self, instruments: str = "") -> Sequence[dict[str, str]]:
        """What each container holds, in the columns in which containers are received."""
        found: Sequence[dict[str, str]] = self._wire.get("/v1/inventory/containers", instruments=instruments)["items"]
        return found

    def forecast(self, instruments: str = "") -> dict[str, Any]:
        """How long each stock, waste and kind of container lasts for the campaigns under way (``items``)."""
        found: dict[str, Any] = self._wire.get("/v1/inventory/forecast", instruments=instruments)
        return found

    def labels(self, names: Sequence[str] = (), instruments: str = "") -> dict[str, Any]:
        """Labels for containers: ``svg``, and what the code on each says (``labels``)."""
        found: dict[str, Any] = self._wire.get("/v1/inventory/labels", name=[*names], instruments=instruments)
        return found

    def count(
        self, what: Sequence[str], because: str, *, from_file: bool = False, instruments: str = ""
    ) -> dict[str, Any]:
        """Record what was counted or refilled: ``STOCK=AMOUNT``, ``POSITION=CONTAINER`` or ``POSITION=empty``.

        Args:
            what: that.
            because: why.
            from_file: all that inventory.yaml says, but for what is named.
            instruments: which deck.
        """
        body = {"what": [*what], "from_file": from_file, "because": because, "instruments": instruments}
        found: dict[str, Any] = self._wire.send("POST", "/v1/inventory/count", body)["counted"]
        return found

    def receive(
        self, containers: Mapping[str, Mapping[str, str]], because: str, instruments: str = ""
    ) -> dict[str, Any]:
        """Book containers that have come: the columns of each, by its name; all are booked, or none."""
        rows = {name: {key: text for key, text in row.items() if text} for name, row in containers.items()}
        return self._book("receive", {"containers": rows}, because, instruments)

    def adjust(self, stock: str, change: str, because: str, instruments: str = "") -> dict[str, Any]:
        """Correct what is known of a stock, by an amount with a sign: ``-0.5mL``."""
        return self._book("adjust", {"stock": stock, "change": change}, because, instruments)

    def move(self, container: str, to: str, because: str, instruments: str = "") -> dict[str, Any]:
        """Book that a container was put elsewhere: at a position, a source, on the ``shelf``, or ``outside``."""
        return self._book("move", {"container": container, "to": to}, because, instruments)

    def classify(self, stock: str, status: str, because: str, instruments: str = "") -> dict[str, Any]:
        """Book that a stock may be used (``released``), or may not (``quarantined``)."""
        return self._book(VERBS[status], {"stock": stock}, because, instruments)

    def _book(self, verb: str, body: Mapping[str, Any], because: str, instruments: str) -> dict[str, Any]:
        sent = {**body, "because": because, "instruments": instruments}
        found: dict[str, Any] = self._wire.send("POST", f"/v1/inventory/{verb}", sent)["booked"]
        return found


VERBS = {"released": "release", "quarantined": "quarantine"}
"""By what something is then."""


class Samples:
    """What was made, of what, and what has become of it.

    Args:
        wire: to the service.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def list(self, campaign: str = "") -> Iterator[Sample]:
        """Samples that the key may see, oldest first.

        Args:
            campaign: only of this one: an id, or a name.
        """
        return (Sample.model_validate(one) for one in self._wire.pages("/v1/samples", campaign=campaign))

    def facts(self, sample: str) -> dict[str, Any]:
        """What a sample was made of, where it went, and what was found.

        Args:
            sample: CAMPAIGN/LABEL, its id, or its label in the newest campaign.
        """
        found: dict[str, Any] = self._wire.get(f"/v1/samples/{quote(sample)}")
        return found

    def lineage(self, name: str, direction: str = "up") -> Sequence[dict[str, Any]]:
        """What a sample, container, lot or waste was made of (``up``), or what was made of it (``down``)."""
        found: Sequence[dict[str, Any]] = self._wire.get("/v1/lineage", of=name, direction=direction)["items"]
        return found

    def dispose(
        self, sample: str, because: str, disposition: str = "disposed", instruments: str = ""
    ) -> dict[str, Any]:
        """Record what has become of a sample that is over: ``disposed``, ``archived`` or ``handed over``."""
        return self._book(sample, "dispose", {"disposition": disposition}, because, instruments)

    def classify(self, sample: str, status: str, because: str, instruments: str = "") -> dict[str, Any]:
        """Record that a sample may be used (``released``), or may not (``quarantined``)."""
        return self._book(sample, VERBS[status], {}, because, instruments)

    def _book(self, sample: str, verb: str, body: Mapping[str, Any], because: str, instruments: str) -> dict[str, Any]:
        sent = {**body, "because": because, "instruments": instruments}
        found: dict[str, Any] = self._wire.send("POST", f"/v1/samples/{quote(sample)}/{verb}", sent)["booked"]
        return found


class Runs:
    """What stations have recorded.

    Args:
        wire: to the service.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def list(self) -> Iterator[dict[str, Any]]:
        """Closed runs that the key may see, oldest first."""
        return self._wire.pages("/v1/runs")

    def documents(self, uid: str) -> Sequence[tuple[str, dict[str, Any]]]:
        """All documents of a run, by its uid or its beginning."""
        lines = self._wire.text(f"/v1/runs/{quote(uid, safe='')}").splitlines()
        return [(name, document) for name, document in map(json.loads, lines)]
