"""The lab as a whole at a service: status, stops, questions, the audit trail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from labwright.answers.lab import Command
from labwright.answers.questions import Question
from labwright.client.wire import Wire
from labwright.model.figures import when

Rows = list[dict[str, Any]]
"""Answers, as JSON."""


class Lab:
    """Status, stop, reset.

    Args:
        wire: to the service.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def status(self) -> dict[str, Any]:
        """How the lab stands now: stations, campaigns, questions, stops, what waits."""
        found: dict[str, Any] = self._wire.get("/v1/status")
        return found

    def controller(self) -> str:
        """The controller that runs: process, machine, person, since when; empty if none does."""
        here = self.status()["controller"]
        if here is None:
            return ""
        return f"process {here['pid']} on {here['host']}, by {here['by']}, since {when(here['since_s'])} UTC"

    def stations(self) -> dict[str, Any]:
        """Stations, the devices of each, and where those are (``items``), and the lab's ``title``."""
        found: dict[str, Any] = self._wire.get("/v1/stations")
        return found

    def latches(
        self,
        *,
        meant: bool = False,
        station: str = "",
        campaign: str = "",
        sample: str = "",
        everything: bool = False,
        instruments: str = "",
    ) -> list[dict[str, Any]]:
        """Stops that hold.

        Args:
            meant: only those that are named, and a refusal if it is not clear which; all if False.
            station: that of this one.
            campaign: that of this one, by its id.
            sample: that of this one, as CAMPAIGN/LABEL.
            everything: all of them.
            instruments: where several were stopped.
        """
        query = {"station": station, "campaign": campaign, "sample": sample, "instruments": instruments}
        flags = {"meant": "true" if meant else "", "everything": "true" if everything else ""}
        found: list[dict[str, Any]] = self._wire.get("/v1/latches", **query, **flags)["items"]
        return found

    def stop(self, because: str, *, station: str = "", now: bool = True) -> Command:
        """Stop all stations, or one: its devices are halted, and nothing starts there until a person resets it."""
        body = {"because": because, "station": station, "now": now}
        return Command.model_validate(self._wire.send("POST", "/v1/lab/stop", body))

    def reset(self, latch: int, because: str) -> Command:
        """Let instruments move again after a stop, by the number that `latches` says."""
        return Command.model_validate(self._wire.send("POST", "/v1/lab/reset", {"latch": latch, "because": because}))


class Questions:
    """Questions that only a person can answer.

    Args:
        wire: to the service.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def list(self, *, everything: bool = False) -> Sequence[Question]:
        """Open questions; with `everything` those that were answered or withdrawn, too."""
        return [Question.model_validate(one) for one in self.facts(everything=everything)]

    def facts(self, *, everything: bool = False) -> Rows:
        """The same, as JSON."""
        flag = "true" if everything else ""
        found: Rows = self._wire.get("/v1/questions", everything=flag)["items"]
        return found

    def answer(
        self,
        question: str,
        answer: str,
        because: str,
        *,
        readings: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> dict[str, Any]:
        """Answer a question, or sign a task card; the lab does what the choice says.

        Args:
            question: its id.
            answer: one of its choices.
            because: what was seen and done.
            readings: of a task card that is done: values, or a number with its unit in one text.
            parameters: other values to repeat a step with (answer ``again``): those that change.
            key: the Idempotency-Key; a new one if None.

        Returns:
            its ``campaign``, what the answer ``means``, its ``readings`` and its ``parameters``.
        """
        path = f"/v1/questions/{quote(question, safe='')}/answer"
        body: dict[str, Any] = {"answer": answer, "because": because}
        body |= {"readings": dict(readings)} if readings else {}
        body |= {"parameters": dict(parameters)} if parameters else {}
        return self._wire.send("POST", path, body, key=key)


class Audit:
    """The audit trail.

    Args:
        wire: to the service.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def list(self, after: int = 0, actor: str = "") -> Iterator[dict[str, Any]]:
        """Who did, or was refused, what over HTTP, oldest first.

        Args:
            after: number of the last row that is known.
            actor: only this one's.
        """
        while True:
            page = self._wire.get("/v1/audit", cursor=after, actor=actor, limit=1000)
            yield from page["items"]
            if page["next"] is None:
                return
            after = page["next"]

    def trace(self, trace: str) -> dict[str, Any]:
        """What one request over HTTP has led to: rows of the trail, commands, campaigns, and their operations.

        Args:
            trace: the id, as an answer's ``X-Trace-Id`` has it.
        """
        found: dict[str, Any] = self._wire.get(f"/v1/traces/{quote(trace, safe='')}")
        return found

    def verify(self) -> dict[str, Any]:
        """Whether nothing in it was changed, removed or put in later: ``wrong`` is empty."""
        found: dict[str, Any] = self._wire.get("/v1/audit/verification")
        return found
