"""The run of a step that a person does: documents as of any other step, so that its readings are found there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from event_model import compose_run

from labwright.clock import LabClock
from labwright.journal import RunJournal
from labwright.model.protocol import ProtocolResult, StepOrder, StepOutcome
from labwright.stations.results import StepResults

NOT_TOLD = {"results", "calibrations", "expected_s", "batch"}
"""What of an order no run repeats."""


@dataclass(frozen=True)
class CardRuns:
    """Writes runs of steps that people do.

    Attributes:
        journal: of the runs.
        record: what every run says of its lab.
        clock: the lab clock.
    """

    journal: RunJournal
    record: Mapping[str, Any]
    clock: LabClock

    def write(self, station: str, order: StepOrder, outcome: StepOutcome, results: tuple[ProtocolResult, ...]) -> None:
        """Write the run that an outcome names, unless it is written: after a crash a signature may be taken once more.

        Args:
            station: where the person works.
            order: of the step.
            outcome: with the one run that belongs to it.
            results: of the protocol, for their units.

        Raises:
            JournalError: it is not safely on the disk.
        """
        (uid,) = outcome.run_uids
        if self.journal.path(uid).exists():
            return
        told = order.model_dump(mode="json", exclude=NOT_TOLD, exclude_defaults=True)
        labwright = {**self.record, "station": station, **told, "lab_time_s": outcome.started_s}
        metadata = {
            "labwright": labwright, "sample": order.sample, "scan_id": self.journal.number(),
            "plan_name": "task_card", "plan_type": "person",
        }  # fmt: skip
        run: Any = compose_run(uid=uid, time=time.time(), metadata=metadata, validate=False)
        self.journal("start", run.start_doc)
        read = StepResults(outcome.results, results, self.clock)
        if read:
            keys = read.describe()
            stream = run.compose_descriptor(
                name="results", data_keys=keys, object_keys={read.name: list(keys)}, validate=False
            )
            self.journal("descriptor", stream.descriptor_doc)
            values = read.read()
            data, timestamps = _of(values, "value"), _of(values, "timestamp")
            self.journal("event", stream.compose_event(data=data, timestamps=timestamps, validate=False))
        status = "success" if outcome.state == "done" else "fail"
        self.journal("stop", run.compose_stop(exit_status=status, reason=outcome.error, validate=False))


def _of(values: Mapping[str, Mapping[str, Any]], what: str) -> dict[str, Any]:
    return {name: one[what] for name, one in values.items()}
