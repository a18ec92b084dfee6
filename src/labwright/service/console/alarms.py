"""Alarms: what is abnormal and takes a person; on each page, and they alone ring (ISA-18.2: a prompt is no alarm)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from labwright.facts.lab import lab_now
from labwright.journal.alive import STALE_S
from labwright.journal.status import LabStatus
from labwright.model.latch import LatchScope
from labwright.service.console.labels import Words
from labwright.service.state import Service


@dataclass(frozen=True)
class Alarm:
    """Something abnormal that a person has to act on.

    Attributes:
        key: tells it from others, and is the same as long as it lasts.
        what: is so.
        then: what comes of it.
        act: what to do.
        since_s: wall time since when; None if that is not known.
        latch: number of the stop that holds, to be reset; 0 if it is none.
    """

    key: str
    what: str
    then: str
    act: str
    since_s: float | None = None
    latch: int = 0


def alarms(status: LabStatus, words: Words) -> Iterator[Alarm]:
    """What is wrong in a lab, the worst first."""
    process = status.controller
    if process is None and status.campaigns:
        yield Alarm(
            "controller",
            words("alarm.no_controller"),
            words("alarm.no_controller.then"),
            words("alarm.no_controller.act"),
        )
    elif process is not None and time.time() - process.heartbeat_s > STALE_S:
        yield Alarm(
            "silent", words("alarm.silent"), words("alarm.silent.then"), words("alarm.silent.act"), process.heartbeat_s
        )
    for latch in status.latches:
        yield Alarm(
            f"stop-{latch.id}",
            words("alarm.stopped", what=_scope(latch.scope, words), by=latch.by, because=latch.because),
            words("alarm.stopped.then"),
            words("alarm.stopped.act"),
            latch.set_s,
            latch.id,
        )
    for station in status.stations:
        if station.state == "left":
            yield Alarm(
                f"left-{station.name}-{station.step}",
                words("alarm.left", station=station.name, step=station.step),
                words("alarm.left.then"),
                words("alarm.left.act"),
            )


def _scope(scope: LatchScope, words: Words) -> str:
    """What a stop holds, in the language of the reader."""
    return words(f"scope.{scope.kind}", station=scope.station, campaign=scope.campaign, label=scope.label)


def alarms_now(service: Service, words: Words) -> list[Alarm]:
    """All alarms of the lab.

    Args:
        service: that reads its journal.
        words: of the reader.

    Raises:
        JournalError: the journal cannot be read.
    """
    with service.records.reading() as journal:
        return list(alarms(lab_now(journal), words))
