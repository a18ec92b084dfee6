"""Limited waits of a campaign that were not kept: a result after one may not count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from labwright.engine.experiment import LATE_WAIT_S
from labwright.engine.proposals import is_label
from labwright.model.figures import lasting
from labwright.model.protocol import StepSpec
from labwright.report.record import CampaignRecord


@dataclass(frozen=True)
class MissedWait:
    """A step that started later than its sample may wait; lab seconds.

    Attributes:
        label: of the experiment.
        before: the step after which the sample may wait only so long (`max_wait_s`).
        step: that started too late.
        waited_s: between the two.
        allowed_s: at most.
    """

    label: str
    before: str
    step: str
    waited_s: float
    allowed_s: float

    def __str__(self) -> str:
        return (
            f"experiment {self.label}: {self.step} started {lasting(self.waited_s)} after {self.before}, at most "
            f"{lasting(self.allowed_s)} are allowed"
        )


def missed_waits(record: CampaignRecord) -> list[MissedWait]:
    """Those of all experiments, in their order; of loops the newest round."""
    labels = dict.fromkeys(label for label, _ in record.steps if is_label(label))
    return [missed for label in labels for missed in _of(record, label)]


def _of(record: CampaignRecord, label: str) -> Iterator[MissedWait]:
    specs = {one.name: one for one in record.protocol.steps}
    for step in specs.values():
        outcome = record.steps.get((label, step.name))
        if outcome is None or not step.sample:
            continue
        for before in _waited_after(specs, step.needs):
            ended = record.steps.get((label, before))
            allowed_s = specs[before].max_wait_s
            if ended is None or allowed_s is None:
                continue
            waited_s = outcome.started_s - ended.ended_s
            if waited_s > allowed_s + LATE_WAIT_S:
                yield MissedWait(label, before, step.name, waited_s, allowed_s)


def _waited_after(specs: Mapping[str, StepSpec], needs: tuple[str, ...]) -> Iterator[str]:
    """The steps with the sample after which it has waited; what does not need it goes on meanwhile."""
    for name in needs:
        yield name
        if not specs[name].sample:
            yield from _waited_after(specs, specs[name].needs)
