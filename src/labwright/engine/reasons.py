"""Why a step, or the move to it, begins now though others wait for what it takes: in words, for the event of it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from labwright.engine.experiment import Experiment
from labwright.engine.rules import Order, Rule
from labwright.engine.work import Work
from labwright.model.figures import lasting
from labwright.model.waiting import Waiting

_ORDERS: dict[Order, str] = {
    "longest": "it has most work left",
    "shortest": "it has least work left",
    "nearest": "its next step is the shortest",
}


@dataclass
class Reasons:
    """What has started since it was last looked, with what is known only at that moment.

    Attributes:
        of: words by the sample's id, where more is to be said than that it came first.
    """

    of: dict[str, str] = field(default_factory=dict)
    _began: dict[str, tuple[Experiment, float, bool]] = field(default_factory=dict)

    def look_anew(self) -> None:
        """It is decided again what begins."""
        self.of.clear()
        self._began.clear()

    def begins(self, experiment: Experiment, left_s: float, *, planned: bool) -> None:
        """A sample's next step begins, or the move to it.

        Args:
            experiment: the sample.
            left_s: how much later it could have started without missing a limited wait, lab seconds.
            planned: whether its place in a planned order of moves was the next.
        """
        self._began[experiment.id] = experiment, left_s, planned

    def end(self, waits: Iterable[Waiting], rule: Rule, work: Work) -> None:
        """All has been decided: say it of those for which others wait.

        Args:
            waits: what is waited for now.
            rule: by which it was decided.
            work: the samples under way.
        """
        if not self._began:
            return
        rivals: dict[str, list[Experiment]] = {}
        for one in waits:
            holder = f"{one.holder}/{one.holder_label}"
            other = work.of(one.campaign).get(one.label)
            if one.because == "has" and holder in self._began and other is not None and other.id != holder:
                rivals.setdefault(holder, []).append(other)
        for key, others in rivals.items():
            experiment, left_s, planned = self._began[key]
            if words := _words(experiment, others, rule, left_s, planned=planned):
                self.of.setdefault(key, words)


def _words(experiment: Experiment, rivals: Collection[Experiment], rule: Rule, left_s: float, *, planned: bool) -> str:
    """Why one sample before the others; empty if it came first, or has only continued."""
    if left_s < math.inf:
        return f"it may wait for {lasting(max(0.0, left_s))} more" if left_s > 0 else "it has waited as long as it may"
    if any(one.priority < experiment.priority for one in rivals):
        return "its campaign has the higher priority"
    if planned:
        return "it is its turn in the planned order"
    return _ORDERS.get(rule.order, "") if not rule.plan.moves else ""
