"""Which rule of dispatch is best for the samples that wait now: rules are rolled out, and the best of them is varied.

No rule is the best everywhere. So the lab's own core is let go on from the state it is in, on a clock that jumps, under
one rule after the other: first those that a person would think of, and batches planned by recipe; then variations of
the best so far, or orders of moves that a planner makes of it (`labwright.engine.timetabling`). What counts first is
how many limited waits are not kept, then when the last sample is done. A rule that is better as expected is taken only
if it is better as well where steps take longer or less; an order of moves is planned again when they have.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from labwright.engine.experiment import SITE, Experiment
from labwright.engine.lab import LabCore
from labwright.engine.rehearsal import Bar, Rehearsal, Takes
from labwright.engine.rules import FIRST, Order, Plan, Rule

__all__ = ["SINGLE", "Chosen", "Outcome", "choose", "roll_out"]

MINUTE = 60.0

SINGLE = (
    FIRST,
    Rule("first", 20 * MINUTE),
    Rule("first", 40 * MINUTE),
    Rule("longest"),
    Rule("longest", 20 * MINUTE),
    Rule("longest", 40 * MINUTE),
    Rule("shortest", 20 * MINUTE),
    Rule("nearest", 20 * MINUTE),
)
"""Rules that need no plan."""

SIMPLE = 4
"""So many of them are tried where batches can be planned."""

WAITS_S = (20 * MINUTE, 45 * MINUTE, 90 * MINUTE)
"""How long a planned batch waits for the rest of its samples."""

FULL = (1.0, 0.75, 0.6)
"""To which part of its positions a batch is planned."""


@dataclass(frozen=True, order=True)
class Outcome:
    """How a roll-out went; the smaller the better.

    Attributes:
        open: campaigns that came to a halt: they wait for a person, or for what another has that does.
        late: limited waits that were not kept.
        makespan_s: lab time at which nothing is left to be done, or can be.
    """

    open: float
    late: float
    makespan_s: float


Planner = Callable[[LabCore, float, Sequence[Bar], Plan], Iterator[Plan]]
"""Plans orders of moves: from a lab's core, lab time, the steps of the best roll-out, and the plan so far."""

DOUBT = 0.25
"""A step may take so much longer or less than expected, as a share."""

LOOKS = 10
"""After so many events it is estimated what is left at least."""

WORST = Outcome(float("inf"), float("inf"), float("inf"))
"""Of a roll-out that was no better than another from some moment on."""


@dataclass(frozen=True)
class Chosen:
    """The rule that was best.

    Attributes:
        rule: of dispatch.
        outcome: that it should have if all steps take what is expected.
        doubtful: the limited waits that were not kept in all of its roll-outs, and their mean makespan; some of them
            with steps that take longer or less than expected.
        first: what the outcome should be if who came first is served first.
        tried: how many rules were rolled out.
    """

    rule: Rule
    outcome: Outcome
    doubtful: Outcome
    first: Outcome
    tried: int


@dataclass(frozen=True)
class _Waits:
    """A sample that has not started and will be in a batch.

    Attributes:
        id: of the sample.
        recipe: of the batch.
        places: in a batch.
        before: stations that it passes before.
        after: those after.
    """

    id: str
    recipe: str
    places: int
    before: tuple[str, ...]
    after: tuple[str, ...]


def choose(
    rehearse: Callable[[], Rehearsal],
    rollouts: int,
    seed: int = 0,
    doubts: int = 2,
    enough: Callable[[], bool] = lambda: False,
    planner: Planner | None = None,
) -> Chosen:
    """The best rule of a portfolio, and of variations of it.

    Args:
        rehearse: makes another rehearsal of the lab in the state in question, each time.
        rollouts: how many rules may be rolled out.
        seed: of the variations, and of what steps take.
        doubts: how often a rule that is better as expected is rolled out with other durations.
        enough: whether no other rule is to be tried: it has taken long enough.
        planner: of orders of moves; without one variations of the best rule are tried instead.
    """
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    here = rehearse()
    known_rule, waits = here.lab.dispatcher.rule, _waiting(here.lab)
    orders = planner is not None and _alone(here.lab)
    rolled = rehearse()
    first = best = roll_out(rolled, FIRST)
    rule, tried = FIRST, 1
    doubtful = _doubtful(rehearse, FIRST, first, seed, doubts)
    known: set[Rule] = {FIRST}
    portfolio = [*_planned(waits), *SINGLE[1:SIMPLE]] if waits else list(SINGLE[1:])
    for number in range(rollouts - 1):
        if enough() or (orders and number >= len(portfolio)):
            break
        candidate = portfolio[number] if number < len(portfolio) else _varied(rule, waits, chance)
        if candidate in known:
            continue
        known.add(candidate)
        tried += 1
        again = rehearse()
        outcome = roll_out(again, candidate, best)
        if outcome < best and (in_doubt := _doubtful(rehearse, candidate, outcome, seed, doubts)) < doubtful:
            rule, best, doubtful, rolled = candidate, outcome, in_doubt, again
    if planner is not None and orders:
        for plan in planner(here.lab, here.now_s, rolled.bars, known_rule.plan):
            tried += 1
            candidate = Rule("first", WAITS_S[-1], plan, strict=True)
            outcome = roll_out(rehearse(), candidate, best)
            if outcome < best:  # what takes longer or less is met by planning again
                rule, best, doubtful = candidate, outcome, outcome
    return Chosen(rule, best, doubtful, first, tried)


def _doubtful(rehearse: Callable[[], Rehearsal], rule: Rule, expected: Outcome, seed: int, doubts: int) -> Outcome:
    """All roll-outs of a rule together: that with what is expected, and those where steps take longer or less."""
    rolled = [expected]
    for number in range(doubts):
        rehearsal = rehearse()
        rehearsal.takes_s = _otherwise(rehearsal.takes_s, random.Random(f"{seed}/{number}"))  # noqa: S311
        rolled.append(roll_out(rehearsal, rule))
    open_, late = sum(one.open for one in rolled), sum(one.late for one in rolled)
    return Outcome(open_, late, sum(one.makespan_s for one in rolled) / len(rolled))


def _otherwise(takes_s: Takes, chance: random.Random) -> Takes:
    return lambda order: takes_s(order) * (1 + DOUBT * chance.uniform(-1, 1))


def roll_out(rehearsal: Rehearsal, rule: Rule, better_than: Outcome = WORST) -> Outcome:
    """Let a lab go on under a rule.

    Args:
        rehearsal: of the lab, from now on.
        rule: of dispatch.
        better_than: the roll-out ends as soon as it cannot be better than this.
    """
    lab = rehearsal.lab
    lab.dispatcher.rule = rule
    rehearsal.go_on()
    for number in itertools.count():
        if not rehearsal.next():
            break
        left_s = _at_least_s(lab) if number % LOOKS == 0 and better_than is not WORST else 0.0
        if Outcome(0, rehearsal.late, rehearsal.now_s + left_s) >= better_than:
            return WORST
    return Outcome(sum(not core.over for core in lab.campaigns.values()), rehearsal.late, rehearsal.now_s)


def _at_least_s(lab: LabCore) -> float:
    """What is left to be done at least: the longest sample by itself, and the work of each kind of station."""
    longest_s = 0.0
    work_s: dict[str, float] = {}
    for live in lab.work.live.values():
        for experiment in live.values():
            own_s = 0.0
            for run in experiment.left():
                if run.active:
                    continue  # how much of it is left depends on what it takes
                own_s += run.expected_s
                if not run.spec.recipe:
                    units = len(lab.dispatcher.layout.sites_for(run.spec.station, _labware(experiment))) or 1
                    work_s[run.spec.station] = work_s.get(run.spec.station, 0.0) + run.expected_s / units
            longest_s = max(longest_s, own_s)
    return max(longest_s, *work_s.values(), 0.0)


def _waiting(lab: LabCore) -> list[_Waits]:
    """Samples whose batches can be planned: of one campaign, or of campaigns that begin no others.

    A plan knows no fair share, and no deadline.
    """
    if not _alone(lab):
        return []
    layout = lab.dispatcher.layout
    found = []
    for live in lab.work.live.values():
        for experiment in live.values():
            if experiment.moved or experiment.given_up or not experiment.brought:
                continue
            left = experiment.left()
            for index, run in enumerate(left):
                benches = layout.serving(run.spec.station)
                if any(bench.together for bench in benches):
                    found.append(
                        _Waits(
                            experiment.id,
                            f"{run.spec.station}: {experiment.recipe(f'{SITE}{run.spec.station}')}",
                            max(len(layout.sites_at(bench.name, _labware(experiment))) for bench in benches),
                            tuple(one.spec.station for one in left[:index]),
                            tuple(one.spec.station for one in left[index + 1 :]),
                        )
                    )
                    break
    return found


def _alone(lab: LabCore) -> bool:
    """Whether all samples that wait are of one campaign, or of campaigns that begin no others."""
    owners = {one.owner for live in lab.work.live.values() for one in live.values() if not one.moved}
    cores = [lab.campaigns[owner] for owner in owners]
    return len(cores) < 2 or not any(one.phase == "running" and one.tried < one.budget for one in cores)


def _labware(experiment: Experiment) -> str:
    return experiment.protocol.labware


def _planned(waits: list[_Waits]) -> Iterator[Rule]:
    """Batches by recipe whose samples go different ways afterwards, so that no station has to take all of them."""
    plans = [_by_recipe(waits, full) for full in FULL]
    for plan in plans:
        for flows in (False, True):
            yield Rule("first", WAITS_S[1], plan, flows)
    yield Rule("longest", WAITS_S[1], plans[0])


def _by_recipe(waits: list[_Waits], full: float) -> Plan:
    by_recipe: dict[str, list[list[str]]] = {}
    for recipe in sorted({one.recipe for one in waits}, reverse=True):
        mine = sorted((one for one in waits if one.recipe == recipe), key=lambda one: (one.after, one.before))
        size = max(1, int(mine[0].places * full))
        number = -(-len(mine) // size)
        batches = [sorted(mine[first::number], key=lambda one: -len(one.before)) for first in range(number)]
        by_recipe[recipe] = [[one.id for one in batch] for batch in batches]
    batches_in_turn: list[tuple[str, ...]] = []
    while any(by_recipe.values()):
        batches_in_turn += [tuple(batches.pop(0)) for batches in by_recipe.values() if batches]
    return Plan(tuple(batches_in_turn))


def _varied(rule: Rule, waits: list[_Waits], chance: random.Random) -> Rule:
    """A rule with something changed."""
    batches = [list(batch) for batch in (rule.plan.batches or (_by_recipe(waits, FULL[1]).batches if waits else ()))]
    recipes = {one.id: (one.recipe, one.places) for one in waits}
    for _ in range(chance.choice((1, 1, 2, 3)) if batches else 0):
        kind = chance.random()
        here = chance.randrange(len(batches))
        if kind < 0.25:  # two batches change places
            there = chance.randrange(len(batches))
            batches[here], batches[there] = batches[there], batches[here]
        elif kind < 0.5:  # a sample comes earlier or later in its batch
            batch = batches[here]
            batch.insert(chance.randrange(len(batch)), batch.pop(chance.randrange(len(batch))))
        elif kind < 0.6:
            chance.shuffle(batches[here])
        else:  # a sample goes into another batch, or two change places
            _exchange(batches, here, recipes, chance)
        batches = [batch for batch in batches if batch]
    changed = replace(rule, plan=Plan(tuple(map(tuple, batches))))
    if chance.random() < (0.15 if batches else 1.0):
        orders: tuple[Order, ...] = ("first", "longest", "shortest", "nearest")
        changed = replace(
            changed, order=chance.choice(orders), batch_wait_s=chance.choice(WAITS_S), flows=chance.random() < 0.5
        )
    return changed


def _exchange(batches: list[list[str]], here: int, recipes: dict[str, tuple[str, int]], chance: random.Random) -> None:
    index = chance.randrange(len(batches[here]))
    sample = batches[here][index]
    recipe, places = recipes[sample]
    others = [batch for batch in batches if batch is not batches[here] and recipes[batch[0]][0] == recipe]
    if not others:
        return
    other = chance.choice(others)
    if len(other) < places and chance.random() < 0.5:
        other.insert(chance.randrange(len(other) + 1), batches[here].pop(index))
    else:
        there = chance.randrange(len(other))
        batches[here][index], other[there] = other[there], sample
