"""How long the steps of a campaign were expected to take and took, and when it was foreseen to end and ended."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from labwright.engine.events import RunStep
from labwright.model.figures import figure, lasting
from labwright.model.protocol import StepOrder
from labwright.report.record import CampaignRecord

COLUMNS = ("step", "times", "expected / s", "actual, mean / s", "shortest / s", "longest / s", "ratio", "not counted")


@dataclass(frozen=True)
class StepTimes:
    """A step of all experiments, or all moves of a transport; lab seconds.

    Attributes:
        name: of the step, with its protocol's if it is a preparation's.
        expected_s: mean of what its experiments were planned with.
        took_s: each that nothing has held up.
        not_counted: how many others there are.
    """

    name: str
    expected_s: float
    took_s: tuple[float, ...]
    not_counted: int

    @property
    def mean_s(self) -> float:
        """What one took, on the mean."""
        return statistics.fmean(self.took_s)

    @property
    def ratio(self) -> float | None:
        """Of what they took to what was expected; None if nothing was expected."""
        return self.mean_s / self.expected_s if self.expected_s else None


def step_times(record: CampaignRecord) -> list[StepTimes]:
    """Every step and every transport of a campaign, in the order in which they ended first.

    A step that failed, was tried again, or was under way while the campaign was paused or no controller ran, says
    nothing of how long it takes.
    """
    by_name: dict[str, list[tuple[float, float] | None]] = {}
    for run, outcome in record.ends.values():
        whole = outcome.state == "done" and not _again(run)
        held = any(outcome.started_s < until_s and from_s < outcome.ended_s for from_s, until_s in record.halts)
        took = (run.order.expected_s, outcome.ended_s - outcome.started_s) if whole and not held else None
        by_name.setdefault(_name(record, run.order), []).append(took)
    times = []
    for name, all_of_it in by_name.items():
        counted = [one for one in all_of_it if one is not None]
        expected_s = statistics.fmean(one for one, _ in counted) if counted else 0.0
        times.append(StepTimes(name, expected_s, tuple(took for _, took in counted), len(all_of_it) - len(counted)))
    return times


def expected_rows(times: Sequence[StepTimes]) -> list[tuple[str, ...]]:
    """Cells of a table with `COLUMNS`."""
    rows = []
    for one in times:
        cells = ["", "", "", "", ""]
        if one.took_s:
            ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
            seconds = (one.expected_s, one.mean_s, min(one.took_s), max(one.took_s))
            cells = [*(figure(each_s, 4) for each_s in seconds), ratio]
        rows.append((one.name, str(len(one.took_s)), *cells, str(one.not_counted)))
    return rows


def end_words(record: CampaignRecord) -> str:
    """The first end that was foreseen, against the one that came."""
    seen, over_s = record.foreseen, record.over_s
    if seen is None or over_s is None:
        return "The lab was not rolled out while it ran, so no end was foreseen."
    end_s, left_s = seen.ends[record.campaign], over_s - seen.at_s
    late_s = over_s - end_s
    words = (
        f"When the lab was rolled out first, {lasting(seen.at_s - record.started_s)} after the beginning, the campaign "
        f"should have ended {lasting(max(0.0, end_s - seen.at_s))} later. It ended after {lasting(left_s)}: "
        f"{lasting(abs(late_s))} {'later' if late_s >= 0 else 'sooner'} than foreseen"
    )
    words += f", {figure(100 * abs(late_s) / left_s, 2)} % of what was then left." if left_s > 0 else "."
    held_s = sum(max(0.0, min(until_s, over_s) - max(from_s, seen.at_s)) for from_s, until_s in record.halts)
    if held_s:
        words += f" For {lasting(held_s)} of that it was paused or no controller ran."
    return words


def _again(run: RunStep) -> bool:
    return run.again or run.order.resumed or run.order.attempt > 1


def _name(record: CampaignRecord, order: StepOrder) -> str:
    if order.move is not None:
        return f"moved by {order.move.transport}"
    own = order.protocol == record.core.spec.protocol
    return order.step if own else f"{order.protocol}: {order.step}"
