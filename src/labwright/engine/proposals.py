"""What is to be tried: the trials, what people want and forbid, and whether the planner is being asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from labwright.engine.dirty import DirtyRows
from labwright.engine.events import Vetoed
from labwright.model.campaign import Suggestion, Trial, TrialStatus, Veto
from labwright.model.errors import unknown
from labwright.model.judging import covers
from labwright.model.space import Params, Space


def experiment_label(number: int) -> str:
    """What an experiment is called: its vial's label, in report, journal, planner and questions."""
    return f"{number:04d}"


def is_label(name: str) -> bool:
    """Whether a trial of this id is an experiment's; else it is called ``p1``."""
    return name.isdecimal()


@dataclass
class Proposals:
    """The suggestions of planner and people, and what became of them.

    A trial is called by the number of its experiment, as its vial's label is (``0007``). What has no experiment yet, or
    never gets one (infeasible, vetoed, withdrawn), is called ``p1``, ``p2`` and so on, and takes no number away.

    Attributes:
        campaign: whose they are.
        dirty: collects what has changed.
        trials: all of the campaign, in the order in which they were proposed.
        vetoes: what people do not want to be tried.
        wanted: proposals of people that have not started: index among the trials, and what each takes of
            each material, in its smallest unit; the first comes next.
        asking: number of what the planner is asked; 0 if it is not.
        unwanted: whether an answer of the planner is still to come that is no longer wanted.
        asks: how often the planner was asked.
        fruitless: suggestions of the planner in a row that came to nothing.
        unnumbered: how many trials began without an experiment.
        became: experiment by the proposal that it was before it began.
    """

    campaign: str
    dirty: DirtyRows
    trials: list[Trial] = field(default_factory=list)
    vetoes: list[Veto] = field(default_factory=list)
    wanted: dict[int, dict[str, int]] = field(default_factory=dict)
    asking: int = 0
    unwanted: bool = False
    asks: int = 0
    fruitless: int = 0
    unnumbered: int = 0
    became: dict[str, str] = field(default_factory=dict)

    def add(self, suggestion: Suggestion, status: TrialStatus, rationale: str = "", **more: Any) -> int:
        """Another trial, which has no experiment yet; its index."""
        self.unnumbered += 1
        return self._add(f"p{self.unnumbered}", suggestion, status, rationale, **more)

    def add_experiment(self, number: int, suggestion: Suggestion) -> int:
        """Another trial, whose experiment begins; its index."""
        return self._add(experiment_label(number), suggestion, "running", "")

    def begin(self, index: int, number: int) -> None:
        """An experiment that a person wanted begins, and is called by its number from now on."""
        label = experiment_label(number)
        self.became[self.trials[index].id] = label
        self.change(index, id=label, status="running")

    def waiting(self, name: str, *, by_place: bool = False) -> int | None:
        """Index of a proposal that has not started; None if none has this id.

        Args:
            name: its id.
            by_place: it may be its place among all trials (``0007``), as in journals before each experiment had one
                number.
        """
        if by_place and name.isdecimal():
            return int(name) - 1 if int(name) - 1 in self.wanted else None
        return next((index for index in self.wanted if self.trials[index].id == name), None)

    def _add(self, name: str, suggestion: Suggestion, status: TrialStatus, rationale: str, **more: Any) -> int:
        trial = Trial(
            id=name,
            params=suggestion.params,
            status=status,
            rationale=rationale or suggestion.rationale,
            predicted=suggestion.predicted,
            **more,
        )
        self.trials.append(trial)
        return self._touch(len(self.trials) - 1)

    def change(self, index: int, **update: Any) -> None:
        """Set attributes of a trial; they are not validated."""
        self.replace(index, self.trials[index].model_copy(update=update))

    def replace(self, index: int, trial: Trial) -> None:
        """What has become of a trial."""
        self.trials[index] = trial
        self._touch(index)

    def write_anew(self) -> None:
        """Have all of it written: a journal of an earlier release holds only trials that had an experiment."""
        self.dirty.trials.update(((self.campaign, index), None) for index in range(len(self.trials)))
        self.dirty.vetoes.update(((self.campaign, index), None) for index in range(len(self.vetoes)))

    def _touch(self, index: int) -> int:
        self.dirty.trials[self.campaign, index] = None
        return index

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
        """The planner has answered; whether it is still wanted."""
        wanted, self.asking, self.unwanted = not self.unwanted, 0, False
        return wanted

    def want(self, suggestion: Suggestion, uses: dict[str, int]) -> None:
        """A person's experiment comes next; what the planner is thinking about did not know of it."""
        self.wanted[self.add(suggestion, "proposed", source="human")] = uses
        self.forget_ask()

    def wanted_in_all(self, more: dict[str, int]) -> dict[str, int]:
        """What people's experiments take of each material, and one more."""
        found: dict[str, int] = {}
        for uses in (*self.wanted.values(), more):
            for name, amount in uses.items():
                found[name] = found.get(name, 0) + amount
        return found

    def drop(self, index: int, reason: str) -> None:
        """An experiment that a person wanted does not begin."""
        del self.wanted[index]
        self.change(index, status="abandoned", rationale=reason)

    def forbid(self, veto: Veto, space: Space) -> None:
        """Keep all later experiments, and proposals that have not started, away from a point."""
        self.vetoes.append(veto)
        self.dirty.vetoes[self.campaign, len(self.vetoes) - 1] = None
        for index in list(self.wanted):
            if covers(veto, space, self.trials[index].params):
                self.drop(index, veto_words(veto))
        self.forget_ask()

    def vetoing(self, params: Params, space: Space) -> Veto | None:
        """The veto that forbids a point; None if none does."""
        return next((one for one in self.vetoes if covers(one, space, params)), None)


def veto_words(veto: Veto | Vetoed) -> str:
    """Who vetoed, and why."""
    return f"vetoed by {veto.by or 'an unnamed person'}: {veto.because or 'no reason given'}"


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
