"""What the lab will do from now on: when each campaign should end, and which rule of dispatch is best.

A process of its own (`main`) reads the journal as a restart would, and rolls the lab's own core out. It is asked by a
line of JSON and answers with one, so it can take its time, or die, without the lab.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labwright.engine.events import Foreseen, Started
from labwright.engine.improver import CpSat
from labwright.engine.lab import LabCore
from labwright.engine.layout import Layout, layout_of
from labwright.engine.learnt import learnt_moves_s
from labwright.engine.portfolio import choose
from labwright.engine.recovery import rebuilt_lab
from labwright.engine.rehearsal import Rehearsal, Suggests, in_the_middle
from labwright.engine.rules import FIRST, Rule, rule_of
from labwright.engine.snapshots import dumped, loaded
from labwright.engine.station_bookings import booked_of
from labwright.engine.timetabling import OrdersOfMoves
from labwright.journal import Journal
from labwright.model.base import Frozen
from labwright.model.campaign import Trial
from labwright.model.errors import ConfigError, LabwrightError
from labwright.model.instruments import REAL
from labwright.model.lab import LabModel
from labwright.model.protocol import Prepared

ROLLOUTS = 40
"""So many rules are rolled out at most."""

CHANGES = 20_000
"""So many changes of an order of moves are tried at most in one search."""

ROLLED = 0.5
"""So much of the time is for rules that are rolled out; the rest is for orders of moves."""

BETTER = 0.02
"""By so much of what is left a rule must be better than who came first, or it is not worth it."""

NICE = 10
"""How far it stands back behind the controller, which needs the processor at once when something happens."""


class Question(Frozen):
    """What is asked.

    Attributes:
        journal: its place, a file or a URL.
        instruments: which deck.
        campaigns: that are under way, by id.
        lab: its files, as JSON.
        now_s: lab time.
        within_s: wall seconds after which no other rule is tried.
        shown: what was foreseen before: its plan is carried on.
    """

    journal: str
    instruments: str
    campaigns: tuple[str, ...]
    lab: str
    now_s: float
    within_s: float = 5.0
    shown: Foreseen | None = None


class Reply(Frozen):
    """What came of it.

    Attributes:
        foreseen: what was seen; None if it could not be.
        error: why, in words.
    """

    foreseen: Foreseen | None = None
    error: str = ""


@dataclass(frozen=True)
class View:
    """The state of a lab, of which any number of rehearsals can be made.

    Attributes:
        state: of its core, as a snapshot.
        started: how each campaign began, by id.
        trials: of each campaign, by id.
        prepared: preparations whose results campaigns share, by protocol.
        layout: of the lab.
        now_s: lab time.
        rule: of dispatch, so far.
    """

    state: bytes
    started: dict[str, Started]
    trials: Mapping[str, Sequence[Trial]]
    prepared: dict[str, Prepared]
    layout: Layout
    now_s: float
    rule: Rule = FIRST

    @classmethod
    def of(cls, lab: LabCore, layout: Layout, now_s: float, rule: Rule = FIRST) -> View:
        """The state of a core; nothing of it is shared."""
        live = {name: core for name, core in lab.campaigns.items() if not core.over and core.phase != "draft"}
        started = {name: core.started for name, core in live.items()}
        trials = {name: tuple(core.trials) for name, core in live.items()}
        return cls(dumped(lab), started, trials, dict(lab.work.preparations), layout, now_s, rule)

    def rehearse(self, suggests: Suggests = in_the_middle) -> Rehearsal:
        """The lab on a clock that jumps, with what is under way.

        Args:
            suggests: what planners would suggest.
        """
        lab = loaded(self.state, self.started.__getitem__, lambda name, number: self.trials[name][:number])
        lab.work.preparations = dict(self.prepared)
        lab.dispatcher.arrange(self.layout)
        lab.dispatcher.rule = self.rule
        for name in self.started:
            lab.work.look.update(one.id for one in lab.work.of(name).values())
        lab.attended = False  # who waits for material comes to its end
        rehearsal = Rehearsal(lab, suggests=suggests, now_s=self.now_s)
        rehearsal.take_up()
        return rehearsal


def foresee(view: View, within_s: float, rollouts: int = ROLLOUTS, cp_sat_s: float = 0.0) -> Foreseen:
    """Roll a lab out.

    Args:
        view: of the lab.
        within_s: wall seconds after which no other rule is tried.
        rollouts: how many are tried at most.
        cp_sat_s: wall seconds that CP-SAT may take beside that; 0 if it is not used.

    Raises:
        ConfigError: CP-SAT is to be used, but OR-Tools is not installed.
    """
    began_s = time.monotonic()
    improves = CpSat(cp_sat_s / OrdersOfMoves.times) if cp_sat_s else None
    until_all_s = began_s + within_s + cp_sat_s
    limited = any(one.limits_waits for started in view.started.values() for one in started.protocols)
    # An order that is followed looks ahead no more: of limited waits it has missed some that "who came first" has kept.
    planner = (
        None if limited else OrdersOfMoves(CHANGES, enough=lambda: time.monotonic() > until_all_s, improves=improves)
    )
    until_s = began_s + ROLLED * within_s
    chosen = choose(view.rehearse, rollouts, doubts=1, enough=lambda: time.monotonic() > until_s, planner=planner)
    left_s = chosen.first.makespan_s - view.now_s
    better = (chosen.outcome.open, chosen.outcome.late) < (chosen.first.open, chosen.first.late)
    better = better or chosen.first.makespan_s - chosen.outcome.makespan_s > BETTER * left_s
    rule = chosen.rule if better else FIRST
    return Foreseen(
        at_s=view.now_s,
        ends=ends_of(view.rehearse(), rule),
        order=rule.order,
        batch_wait_s=rule.batch_wait_s,
        flows=rule.flows,
        batches=rule.plan.batches,
        moves=rule.plan.moves,
        strict=rule.strict,
        first_s=chosen.first.makespan_s,
        chosen_s=chosen.outcome.makespan_s if better else chosen.first.makespan_s,
        tried=chosen.tried,
    )


def ends_of(rehearsal: Rehearsal, rule: Rule = FIRST) -> dict[str, float]:
    """Let a rehearsal end: lab time at which each campaign ends; none of those that come to a halt."""
    rehearsal.lab.dispatcher.rule = rule
    rehearsal.go_on()
    ends: dict[str, float] = {}
    while True:
        for name, core in rehearsal.lab.campaigns.items():
            if core.over:
                ends.setdefault(name, rehearsal.now_s)
        if not rehearsal.next():
            return ends


def answered(question: Question) -> Reply:
    """Read the journal, and roll the lab out."""
    try:
        with Journal.reading(question.journal) as journal:
            lab = rebuilt_lab(journal, *question.campaigns, instruments=question.instruments)
            model = LabModel.model_validate_json(question.lab)
            moves_s = learnt_moves_s(journal, model, simulated=question.instruments != REAL)
            booked = booked_of(journal, question.instruments, question.now_s)
    except LabwrightError as error:
        return Reply(error=str(error))
    layout = layout_of(model, moves_s, booked)
    rule = FIRST if question.shown is None else rule_of(question.shown)
    view = View.of(lab, layout, max(question.now_s, lab.now_s), rule)
    try:
        return Reply(foreseen=foresee(view, question.within_s, cp_sat_s=model.cp_sat_s))
    except ConfigError as error:  # a solver that is not installed
        return Reply(error=str(error))


def main() -> None:
    """Answer each line of the standard input."""
    os.nice(NICE)
    for line in sys.stdin:
        reply = answered(Question.model_validate_json(line))
        sys.stdout.write(reply.model_dump_json() + "\n")
        sys.stdout.flush()
