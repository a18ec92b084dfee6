"""What a lab would do: the same core, on a clock that jumps from one end of a step to the next.

Nothing is carried out and nothing is recorded. Steps take what they should take, or what is said that they take.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from labwright.engine.events import Event, Instruction, RunStep, StepEnded, Suggested
from labwright.engine.lab import LabCore
from labwright.model.campaign import CampaignState, Suggestion
from labwright.model.protocol import StepOrder, StepOutcome

LATE_S = 1e-6
"""So much later is only rounding."""

Takes = Callable[[StepOrder], float]
"""Lab seconds that a step takes."""

Suggests = Callable[[str, CampaignState], Event]
"""What a campaign's planner would suggest, at once."""

Finds = Callable[[StepOrder], dict[str, Any]]
"""What a step would find."""


@dataclass(frozen=True)
class Bar:
    """A step as it was rehearsed.

    Attributes:
        order: of the step.
        station: that carries it out.
        began_s: lab time.
        ended_s: lab time.
    """

    order: StepOrder
    station: str
    began_s: float
    ended_s: float


def as_expected(order: StepOrder) -> float:
    """A step takes what it should take."""
    return order.expected_s


def in_the_middle(campaign: str, state: CampaignState) -> Suggested:
    """A suggestion in the middle of the space: where a step's time does not depend on the parameters."""
    params = {one.name: one.from_unit(0.5) for one in state.space.parameters}
    return Suggested(suggestion=Suggestion(params=params, rationale="rehearsed"))


@dataclass
class Rehearsal:
    """Lets a lab's core go on by itself.

    Attributes:
        lab: its core; changed.
        takes_s: what a step takes, lab seconds.
        suggests: what a planner would suggest.
        finds: what a step would find; all that is wanted, as 0, by itself.
        now_s: lab time.
        bars: steps that have ended, in that order.
        late: limited waits that were not kept.
        timetable: what happens to the lab at some time by itself, such as a station that is out of order.
    """

    lab: LabCore
    takes_s: Takes = as_expected
    suggests: Suggests = in_the_middle
    finds: Finds | None = None
    now_s: float = 0.0
    bars: list[Bar] = field(default_factory=list)
    late: int = 0
    timetable: list[tuple[float, Callable[[LabCore], None]]] = field(default_factory=list)
    _running: dict[str, tuple[RunStep, float]] = field(default_factory=dict)
    _ends: list[tuple[float, int, str]] = field(default_factory=list)
    _numbers: Any = field(default_factory=itertools.count)

    def take(self, campaign: str, event: Event) -> None:
        """Something happens now."""
        self.take_all({campaign: event})

    def take_all(self, events: dict[str, Event]) -> None:
        """Something happens now to several campaigns, before the lab decides what follows."""
        instructions: list[Instruction] = []
        for campaign, event in events.items():
            instructions += self.lab.handle(campaign, event, self.now_s)
        self._go_on(instructions)

    def next(self, until_s: float = math.inf) -> bool:
        """What happens next, happens, if it does until then; whether anything does."""
        wake_s = self.lab.dispatcher.wake_s
        first_s = min((one for one in (wake_s, *(end[0] for end in self._ends[:1])) if one is not None), default=None)
        if min(math.inf if first_s is None else first_s, *(at_s for at_s, _ in self.timetable[:1]), math.inf) > until_s:
            self.now_s = max(self.now_s, until_s)
            return False
        if self.timetable and (first_s is None or self.timetable[0][0] <= first_s):
            at_s, happens = self.timetable.pop(0)
            self.now_s = max(self.now_s, at_s)
            happens(self.lab)
            self._go_on([])
            return True
        if wake_s is not None and (not self._ends or wake_s < self._ends[0][0]):
            self.now_s = max(self.now_s, wake_s)
            self._go_on([])
            return True
        if not self._ends:
            return False
        self.now_s, _, step_id = heapq.heappop(self._ends)
        events: dict[str, Event] = {}
        self._end(step_id, events)
        self.take_all(events)
        return True

    def take_up(self) -> None:
        """Steps that are under way in the lab end when they should, or now if they should have ended already."""
        for live in self.lab.work.live.values():
            for experiment in live.values():
                for run in experiment.running:
                    if run.state == "running":
                        order = experiment.order(run, {})
                        one = RunStep(run.station, order, run.spec.timeout_s, batch=run.batch)
                        began_s = run.ordered_s if run.ordered_s is not None else self.now_s
                        ends_s = max(self.now_s, began_s + self.takes_s(order))
                        self._running[run.step_id] = one, began_s
                        heapq.heappush(self._ends, (ends_s, next(self._numbers), run.step_id))

    def go_on(self) -> None:
        """What may begin now, begins."""
        self._go_on([])

    def run(self) -> float:
        """Until nothing happens any more; lab time."""
        while self.next():
            pass
        return self.now_s

    def _end(self, step_id: str, events: dict[str, Event]) -> None:
        one, began_s = self._running.pop(step_id)
        self.bars.append(Bar(one.order, one.station, began_s, self.now_s))
        outcome = StepOutcome.model_construct(
            step_id=step_id,
            state="done",
            results=self._found(one.order),
            started_s=began_s,
            ended_s=self.now_s,
        )
        events[one.order.campaign] = StepEnded.model_construct(outcome=outcome)

    def _is_late(self, order: StepOrder) -> bool:
        """Whether a step that begins now should have started before."""
        if order.move is not None:
            return False
        experiment = self.lab.work.of(order.campaign)[order.label]
        run = experiment.steps[order.step]
        return run.spec.sample and experiment.due_s(run) < self.now_s - LATE_S

    def _found(self, order: StepOrder) -> dict[str, Any]:
        if self.finds is not None:
            return self.finds(order)
        if order.move is not None:
            return {}
        experiment = self.lab.work.of(order.campaign)[order.label]
        return dict.fromkeys(experiment.wanted, 0.0)

    def _go_on(self, instructions: list[Instruction]) -> None:
        while True:
            for grant in self.lab.grant(self.now_s):
                instructions += grant.instructions
            asked: dict[str, Event] = {}
            for one in instructions:
                if isinstance(one, RunStep):
                    self._running[one.order.step_id] = one, self.now_s
                    self.late += self._is_late(one.order)
                    ends_s = self.now_s + self.takes_s(one.order)
                    heapq.heappush(self._ends, (ends_s, next(self._numbers), one.order.step_id))
            for campaign, core in self.lab.campaigns.items():
                if core.asking:
                    asked[campaign] = self.suggests(campaign, core.state())
            if not asked:
                return
            instructions = []
            for campaign, event in asked.items():
                instructions += self.lab.handle(campaign, event, self.now_s)
