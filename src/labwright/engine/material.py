"""What the lab has: containers at its positions, and what is left of its stocks; it outlives every campaign."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from labwright.engine.dirty import DirtyRows, Held, Spent
from labwright.engine.events import Recounted, Stocked
from labwright.engine.experiment import Experiment, StepRun
from labwright.model.figures import figure
from labwright.model.material import NL_PER_ML, Used, nanolitres

CONTAINER = "container"
"""The kind of a container of which no more is known."""


REFILL = "; refill it and count it: labwright inventory recount STOCK=ML"
REPLACE = "replace it and say so: labwright inventory recount POSITION=CONTAINER"


def no_container(kind: str) -> str:
    """That no position holds such a container any more, in words."""
    return (
        f"no position holds an unused {kind} any more; put some in and say where: labwright inventory recount "
        f"POSITION={kind}"
    )


@dataclass
class Lot:
    """A stock as it was counted last, and what has become of it since; nanolitres.

    Attributes:
        count_nl: what was there then.
        dead_nl: what must stay.
        used: taken since.
        promised_nl: what experiments under way may still take.
        since_s: lab time of the count; None if this core knows of none, so that nothing is refused.
    """

    count_nl: int = 0
    dead_nl: int = 0
    used: Used = field(default_factory=Used)
    promised_nl: int = 0
    since_s: float | None = None

    @property
    def usable_nl(self) -> int:
        """What can be used, with what is promised or may be gone."""
        return self.count_nl - self.dead_nl - self.used.nl

    @property
    def free_nl(self) -> int:
        """What another experiment can be promised; below 0 if more is promised or may be gone than there is."""
        return self.usable_nl - self.used.unknown_nl - self.promised_nl


@dataclass
class Material:
    """Containers and stocks.

    Attributes:
        dirty: collects what has changed.
        lots: by stock.
        holds: what each position holds, in the order in which containers are used.
        counted: stocks whose use is counted by confirmed operations; of others an experiment takes what was promised.
        now_s: lab time.
        entries: in the ledger so far, by campaign.
    """

    dirty: DirtyRows
    lots: dict[str, Lot] = field(default_factory=dict)
    holds: dict[str, Held] = field(default_factory=dict)
    counted: frozenset[str] = frozenset()
    now_s: float = 0.0
    entries: dict[str, int] = field(default_factory=dict)
    _where: dict[str, str] = field(default_factory=dict)
    """Where the container of each experiment stands that is under way or was given up, by its id."""

    def fill(self, event: Stocked) -> None:
        """All that is there now, whatever was there before."""
        for stock in [one for one in self.lots if one not in event.lots_nl]:
            self.dirty.lots.add(stock)
            self.lots[stock] = Lot(promised_nl=self.lots[stock].promised_nl, since_s=self.now_s)
        for stock, there_nl in event.lots_nl.items():
            before = self.lots.get(stock, Lot())
            used = Used(unknown_nl=event.unknown_nl.get(stock, 0))
            dead_nl = event.dead_nl.get(stock, 0)
            self.lots[stock] = Lot(there_nl, dead_nl, used, before.promised_nl, self.now_s)
            self._counted(stock, "first fill", there_nl, used.unknown_nl, event)
        self._where.clear()
        for position in [one for one in self.holds if one not in event.containers]:
            self._hold(position, Held(since_s=self.now_s))
        self.holds = {position: self.holds.get(position, Held()) for position in event.containers}
        for position, kind in event.containers.items():
            campaign, _, label = event.used_up.get(position, "").partition("/")
            self._hold(position, Held(kind, campaign, label, self.now_s, used_up=bool(campaign)))

    def recount(self, event: Recounted) -> None:
        """A person has counted: what is found more or less than was known is an entry of its own."""
        for stock, there_nl in event.lots_nl.items():
            before = self.lots.get(stock, Lot())
            dead_nl = event.dead_nl.get(stock, before.dead_nl)
            self.lots[stock] = Lot(there_nl, dead_nl, Used(), before.promised_nl, self.now_s)
            known_nl = before.count_nl - before.used.nl
            self._counted(stock, "recount", there_nl - known_nl, -before.used.unknown_nl, event)
        self._where = {one: position for one, position in self._where.items() if position not in event.containers}
        for position, kind in event.containers.items():
            self._hold(position, Held(kind, since_s=self.now_s))

    def begin_full(self, places: Iterable[str], lots_ml: Mapping[str, float]) -> None:
        """A campaign of an earlier version begins: whatever was there before, its event says what there is."""
        self.holds = {place: Held(CONTAINER) for place in places}
        self.lots = {stock: Lot(nanolitres(ml), since_s=self.now_s) for stock, ml in lots_ml.items()}
        self.dirty.lots.update(lots_ml)

    def close(self, experiment: Experiment) -> None:
        """An experiment is over: what it was promised and has not taken is free again."""
        for stock, volume_ml in experiment.uses_ml.items():
            if stock in self.counted:
                self._promise(stock, -_still_promised(experiment, stock))
                continue
            nl = nanolitres(volume_ml)
            self._promise(stock, -nl)
            self._spend(stock, experiment, "", Used(nl=nl), volume_ml)
        experiment.uses_ml = {}
        if not experiment.given_up:
            self._where.pop(experiment.id, None)

    def release(self, experiment: Experiment) -> None:
        """Nothing is promised to an experiment any more; what it has taken stays taken."""
        for stock, volume_ml in experiment.uses_ml.items():
            counted = stock in self.counted
            self._promise(stock, -(_still_promised(experiment, stock) if counted else nanolitres(volume_ml)))

    def use(self, experiment: Experiment, run: StepRun, used: Mapping[str, Used]) -> None:
        """Count what a step has taken so far of the stocks: confirmed, and perhaps.

        Args:
            experiment: the step's.
            run: the step.
            used: by stock, all of this step's attempts.
        """
        for stock, now in used.items():
            more = now - run.used.get(stock, Used())
            if stock not in self.counted or not more:
                continue
            promised_nl = _still_promised(experiment, stock)
            run.used[stock] = now
            experiment.used[stock] = experiment.used.get(stock, Used()) + more
            self._promise(stock, _still_promised(experiment, stock) - promised_nl)
            self._spend(stock, experiment, run.step_id, more, more.nl / NL_PER_ML)

    def left_ml(self, stock: str) -> float | None:
        """What is left of a stock, without what is promised or may be gone; None if it was never counted."""
        lot = self.lots.get(stock)
        return None if lot is None or lot.since_s is None else lot.usable_nl / NL_PER_ML

    def follow(self, experiment: Experiment) -> None:
        """A sample's container stands where the sample stands, and no more where it stood."""
        if experiment.engine == 1 or experiment.preparation:
            return  # in earlier journals only the place that it was taken from is known; of a preparation, nothing
        before, now = self._where.get(experiment.id, ""), experiment.stands_at
        if before == now:
            return
        kind = self.holds.get(before or now, Held()).kind or CONTAINER
        whose = Held("", experiment.owner, experiment.label, self.now_s)
        if before and self._is_of(before, experiment):
            self._hold(before, whose)
        self._where.pop(experiment.id, None)
        if now:
            self._hold(now, replace(whose, kind=kind))
            self._where[experiment.id] = now

    def use_up(self, experiment: Experiment) -> None:
        """What an experiment's protocol uses up is used up."""
        for position in experiment.protocol.uses_up:
            held = self.holds.get(position, Held(CONTAINER))
            self._hold(position, Held(held.kind, experiment.owner, experiment.label, self.now_s, used_up=True))

    def used_up(self, experiment: Experiment) -> str:
        """What an experiment needs that another has used up, in words; empty if nothing."""
        return used_up_words(experiment.protocol.uses_up, self.holds, experiment)

    def looked_at(self, campaign: str) -> None:
        """A person has looked at the deck: what a campaign left is taken out, and what it has used up is replaced."""
        for experiment, position in list(self._where.items()):
            if experiment.startswith(f"{campaign}/"):
                del self._where[experiment]
                self._hold(position, replace(self.holds[position], kind="", since_s=self.now_s))
        for position, held in list(self.holds.items()):
            if held.used_up and held.campaign == campaign:
                self._hold(position, Held(held.kind, since_s=self.now_s))

    def removed(self, experiment: str) -> None:
        """A person has taken out what an experiment that is over had left.

        Args:
            experiment: its id.
        """
        position = self._where.pop(experiment, "")
        if position and f"{self.holds[position].campaign}/{self.holds[position].label}" == experiment:
            self._hold(position, replace(self.holds[position], kind="", since_s=self.now_s))

    def cleared(self, position: str) -> None:
        """A person has taken out what stood at a position, and was no sample's."""
        if self.holds.get(position, Held()).kind:
            self._hold(position, Held(since_s=self.now_s))

    def next_place(self, kind: str, places: Collection[str] = ()) -> str:
        """The next position with an empty container; empty if there is none.

        Args:
            kind: of container.
            places: where it may be, in campaigns of earlier versions that name no kind.
        """
        for place, held in self.holds.items():
            if held.fresh and (held.kind == kind if kind else place in places):
                return place
        return ""

    def take_place(self, experiment: Experiment) -> None:
        """A container is taken from its position, as campaigns of the first engine did when an experiment began."""
        if experiment.place:
            self._hold(experiment.place, Held("", experiment.owner, experiment.label, self.now_s))

    def lacking(self, uses_ml: Mapping[str, float]) -> str:
        """Which stock does not last for one more experiment, in words; empty if all do."""
        for stock, volume_ml in uses_ml.items():
            lot = self.lots.get(stock)
            if lot is not None and lot.since_s is not None and nanolitres(volume_ml) > lot.free_nl:
                return self._lacks(stock, volume_ml, lot)
        for stock, lot in self.lots.items():  # also of what no protocol has promised to take
            if lot.since_s is not None and lot.free_nl < 0:
                return self._lacks(stock, uses_ml.get(stock, 0.0), lot)
        return ""

    def promise(self, uses_ml: Mapping[str, float]) -> None:
        """Promise stocks to an experiment."""
        for stock, volume_ml in uses_ml.items():
            self._promise(stock, nanolitres(volume_ml))

    def _lacks(self, stock: str, needed_ml: float, lot: Lot) -> str:
        there = f"{figure(needed_ml)} ml are needed, {figure(lot.free_nl / NL_PER_ML)} ml are left"
        words = [f"{figure(lot.used.nl / NL_PER_ML)} ml were pumped"] if stock in self.counted else []
        words += [f"{figure(lot.used.unknown_nl / NL_PER_ML)} ml may have been"] if lot.used.unknown_nl else []
        if lot.promised_nl:
            words.append(f"{figure(lot.promised_nl / NL_PER_ML)} ml are reserved for samples under way")
        return f"stock {stock} is used up: {there}" + (f" ({', '.join(words)})" if words else "")

    def _promise(self, stock: str, nl: int) -> None:
        self.lots.setdefault(stock, Lot()).promised_nl += nl
        self.dirty.lots.add(stock)

    def _spend(self, stock: str, experiment: Experiment, step_id: str, used: Used, used_ml: float) -> None:
        lot = self.lots.setdefault(stock, Lot())
        lot.used += used
        why = "preparation" if experiment.preparation else "experiment"
        self._enter(
            Spent(
                self._number(experiment.owner), stock, experiment.owner, experiment.label, step_id,
                -used.nl, used.unknown_nl, -used_ml, why,
            )
        )  # fmt: skip

    def _counted(self, stock: str, why: str, more_nl: int, unknown_nl: int, event: Stocked | Recounted) -> None:
        self._enter(
            Spent(
                self._number(""), stock, "", "", "", more_nl, unknown_nl, more_nl / NL_PER_ML, why,
                event.by, event.because,
            )
        )  # fmt: skip

    def _enter(self, entry: Spent) -> None:
        self.dirty.spent.append(entry)
        self.dirty.lots.add(entry.stock)

    def _number(self, campaign: str) -> int:
        self.entries[campaign] = self.entries.get(campaign, 0) + 1
        return self.entries[campaign]

    def _hold(self, position: str, held: Held) -> None:
        self.holds[position] = held
        self.dirty.positions[position] = held

    def _is_of(self, position: str, experiment: Experiment) -> bool:
        held = self.holds.get(position, Held())
        return (held.campaign, held.label) == (experiment.owner, experiment.label)


def used_up_words(positions: Iterable[str], holds: Mapping[str, Held], asks: Experiment | None = None) -> str:
    """Which of these positions hold nothing that can be used, in words; empty if all do.

    Args:
        positions: whose containers serve once.
        holds: what stands where; nothing is said of positions that are not in it.
        asks: whose own use does not count, and whose journal names no other campaign; None if no experiment's.
    """
    words = []
    for position in positions:
        held = holds.get(position)
        if held is None or held.fresh or (asks and (held.campaign, held.label) == (asks.owner, asks.label)):
            continue
        if not held.kind:
            words.append(f"position {position} holds nothing")
        else:
            by = "" if asks else f" by {held.campaign}/{held.label}"
            words.append(f"what position {position} holds ({held.kind}) is used up{by}")
    return "; ".join(words)


def _still_promised(experiment: Experiment, stock: str) -> int:
    """Nanolitres of a stock that an experiment may still take of what it was promised."""
    return max(0, nanolitres(experiment.uses_ml.get(stock, 0.0)) - experiment.used.get(stock, Used()).most_nl)
