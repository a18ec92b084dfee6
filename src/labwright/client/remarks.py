"""Notes and deviations at a service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from labwright.answers.remarks import Deviation, Note
from labwright.client.wire import Wire
from labwright.model.remarks import AS_MEASURED, Category, Severity, Use


class Notes:
    """What people have written; never changed, only replaced.

    Args:
        wire: to the service.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def list(
        self, *, campaign: str = "", experiment: str = "", sample: str = "", station: str = "", stock: str = ""
    ) -> Iterator[Note]:
        """Notes that the key may see, oldest first: all, or those about one thing.

        Args:
            campaign: its id; with all about its experiments and samples.
            experiment: only about this one of it.
            sample: CAMPAIGN/LABEL.
            station: its name.
            stock: its container.
        """
        about = _named(campaign, experiment, sample, station, stock)
        return (Note.model_validate(one) for one in self._wire.pages("/v1/notes", **about))

    def write(
        self,
        text: str,
        *,
        campaign: str = "",
        experiment: str = "",
        sample: str = "",
        station: str = "",
        stock: str = "",
        key: str | None = None,
    ) -> str:
        """Write a note about one thing; its id.

        Args:
            text: of the note.
            campaign: id of a campaign.
            experiment: label of an experiment of it; the campaign as a whole if empty.
            sample: CAMPAIGN/LABEL.
            station: its name.
            stock: its container.
            key: the Idempotency-Key; a new one if None.
        """
        body = {**_named(campaign, experiment, sample, station, stock), "text": text}
        return str(self._wire.send("POST", "/v1/notes", body, key=key)["result"])

    def replace(self, note: str, text: str, *, key: str | None = None) -> str:
        """Correct a note by another that takes its place; the id of that.

        Args:
            note: id of the first, which stays to be read.
            text: of the other.
            key: the Idempotency-Key; a new one if None.
        """
        return str(
            self._wire.send("POST", f"/v1/notes/{quote(note, safe='')}/replace", {"text": text}, key=key)["result"]
        )


class Deviations:
    """What was not as it should be.

    Args:
        wire: to the service.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def list(
        self, *, campaign: str = "", experiment: str = "", sample: str = "", station: str = "", open_only: bool = False
    ) -> Iterator[Deviation]:
        """Deviations that the key may see, oldest first: all, or those about one thing.

        Args:
            campaign: its id; with all about its experiments.
            experiment: only those that concern this one of it.
            sample: CAMPAIGN/LABEL.
            station: its name.
            open_only: only those that no person has closed.
        """
        about = {**_named(campaign, experiment, sample, station, ""), **({"open": "true"} if open_only else {})}
        return (Deviation.model_validate(one) for one in self._wire.pages("/v1/deviations", **about))

    def show(self, deviation: str) -> Deviation:
        """A deviation, by its id."""
        return Deviation.model_validate(self._wire.get(f"/v1/deviations/{quote(deviation, safe='')}"))

    def open(
        self,
        *,
        expected: str,
        happened: str,
        category: Category,
        severity: Severity,
        campaign: str = "",
        experiment: str = "",
        station: str = "",
        experiments: Sequence[str] = (),
        action: str = "",
        use: Use = AS_MEASURED,
        key: str | None = None,
    ) -> str:
        """Record that something was not as it should be; the id of the deviation.

        Args:
            expected: what should have been.
            happened: what was instead.
            category: where it comes from.
            severity: how bad it is.
            campaign: id of a campaign.
            experiment: label of an experiment of it.
            station: or a station.
            experiments: of a campaign, labels of those it concerns; all that it has started if there are none.
            action: what was done about it at once.
            use: whether results may be used: no planner learns from what is not to be used as measured.
            key: the Idempotency-Key; a new one if None.
        """
        said = {"expected": expected, "happened": happened, "category": category, "severity": severity, "use": use}
        body: dict[str, Any] = {**_named(campaign, experiment, "", station, ""), **said, "action": action}
        return str(
            self._wire.send("POST", "/v1/deviations", {**body, "experiments": [*experiments]}, key=key)["result"]
        )

    def close(self, deviation: str, conclusion: str, *, use: Use | None = None, key: str | None = None) -> str:
        """Close a deviation with a conclusion; a critical one is closed by another person than has opened it.

        Args:
            deviation: its id.
            conclusion: what it has come to.
            use: whether results may be used from now on; as before if None.
            key: the Idempotency-Key; a new one if None.
        """
        path = f"/v1/deviations/{quote(deviation, safe='')}/close"
        body = {"conclusion": conclusion, **({} if use is None else {"use": use})}
        return str(self._wire.send("POST", path, body, key=key)["result"])


def _named(campaign: str, experiment: str, sample: str, station: str, stock: str) -> dict[str, str]:
    """What is meant, as far as it is named."""
    given = {
        "campaign": campaign, "experiment": experiment, "sample": sample, "station": station, "stock": stock
    }  # fmt: skip
    return {name: text for name, text in given.items() if text}
