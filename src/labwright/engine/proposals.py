"""What is to be tried: the trials, what people want and forbid, and whether the planner is being asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from labwright.engine.events import Vetoed
from labwright.model.campaign import Suggestion, Trial, TrialStatus, Veto
from labwright.model.errors import unknown
from labwright.model.judging import covers
from labwright.model.space import Params, Space


@dataclass
class Proposals:
    """What is to be tried, and all that was.

    Attributes:
        trials: all of the campaign, in the order in which they were proposed.
        vetoes: what people do not want to be tried.
        wanted: experiments that people want and that have not begun: index among the trials, and what each takes of
            the stocks in ml; the first comes next.
        asking: number of what the planner is asked; 0 if it is not.
        unwanted: whether an answer of the planner is still to come that nobody wants any more.
        asks: how often the planner was asked.
        fruitless: suggestions of the planner in a row that came to nothing.
    """

    trials: list[Trial] = field(default_factory=list)
    vetoes: list[Veto] = field(default_factory=list)
    wanted: dict[int, dict[str, float]] = field(default_factory=dict)
    asking: int = 0
    unwanted: bool = False
    asks: int = 0
    fruitless: int = 0

    def add(self, suggestion: Suggestion, status: TrialStatus, rationale: str = "", **more: Any) -> int:
        """Another trial; its index."""
        number = len(self.trials)
        trial = Trial(
            id=f"{number + 1:04d}",
            params=suggestion.params,
            status=status,
            rationale=rationale or suggestion.rationale,
            predicted=suggestion.predicted,
            **more,
        )
        self.trials.append(trial)
        return number

    def change(self, index: int, **update: Any) -> None:
        """Set attributes of a trial; they are not validated."""
        self.trials[index] = self.trials[index].model_copy(update=update)

    def ask(self) -> int:
        """The planner is asked; the number of it."""
        self.asks += 1
        self.asking = self.asks
        return self.asking

    def forget_ask(self) -> None:
        """What the planner is thinking about has changed: its answer is not wanted any more."""
        if self.asking:
            self.unwanted, self.asking = True, 0

    def answered(self) -> bool:
        """The planner has answered; whether anybody wants it still."""
        wanted, self.asking, self.unwanted = not self.unwanted, 0, False
        return wanted

    def want(self, suggestion: Suggestion, uses_ml: dict[str, float]) -> None:
        """A person's experiment comes next; what the planner is thinking about did not know of it."""
        self.wanted[self.add(suggestion, "proposed", source="human")] = uses_ml
        self.forget_ask()

    def wanted_ml(self, more_ml: dict[str, float]) -> dict[str, float]:
        """What people's experiments take of each stock, and one more."""
        total_ml: dict[str, float] = {}
        for uses_ml in (*self.wanted.values(), more_ml):
            for stock, volume_ml in uses_ml.items():
                total_ml[stock] = total_ml.get(stock, 0.0) + volume_ml
        return total_ml

    def drop(self, index: int, reason: str) -> None:
        """An experiment that a person wanted does not begin."""
        del self.wanted[index]
        self.change(index, status="abandoned", rationale=reason)

    def forbid(self, veto: Veto, space: Space) -> None:
        """Keep all later experiments away from a point, and those that people want and that have not begun."""
        self.vetoes.append(veto)
        for index in list(self.wanted):
            if covers(veto, space, self.trials[index].params):
                self.drop(index, veto_words(veto))
        self.forget_ask()

    def vetoing(self, params: Params, space: Space) -> Veto | None:
        """The veto that forbids a point; None if none does."""
        return next((one for one in self.vetoes if covers(one, space, params)), None)


def veto_words(veto: Veto | Vetoed) -> str:
    """Who vetoed, and why."""
    return f"vetoed by {veto.by or 'somebody'}: {veto.because or 'no reason given'}"


def wrong_veto(veto: Veto, space: Space) -> str:
    """Why a veto means nothing in a space; empty if it means something."""
    if not veto.params:
        return "it names no parameter"
    known = dict(zip(space.names, space.parameters, strict=True))
    wrong = [
        words
        for name, value in veto.params.items()
        for words in (known[name].violations(value) if name in known else [unknown("parameter", name, list(known))])
    ]
    return "; ".join(wrong)
