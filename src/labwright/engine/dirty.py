"""What an event has changed: the rows of the journal's tables that are to be written with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from labwright.engine.experiment import Experiment, StepRun
from labwright.model.material import StockFacts
from labwright.model.rows import Key, Row
from labwright.model.waiting import Waiting


@dataclass(frozen=True)
class Held:
    """What a position holds.

    Attributes:
        kind: of the container; empty if none stands there.
        campaign: whose sample it is, who has used it up, or who took what stood there; empty if it is as it was filled.
        label: of that campaign's experiment.
        since_s: lab time from which on it is so; None if that is not known.
        used_up: whether it is no sample, but a container that has served a campaign.
    """

    kind: str = ""
    campaign: str = ""
    label: str = ""
    since_s: float | None = None
    used_up: bool = False

    @property
    def fresh(self) -> bool:
        """Whether a container is there that is not used yet."""
        return bool(self.kind) and not self.campaign


@dataclass(frozen=True)
class Transfer:
    """An entry of the ledger: what leaves one place enters another.

    Attributes:
        number: of the entry of its campaign since this core began, from 1; the journal counts those of a deck.
        taken_from: the place that it leaves: a container, a sample, a waste, or outside.
        put_into: the place that it enters.
        amount: what is known to have passed, in the smallest unit.
        unknown: by how much more (or less) may have passed than was thought.
        facts: of what it is.
        campaign: its id; empty for what a person has booked.
        label: of the experiment.
        step_id: of the step; empty for a whole experiment, by what its protocol promised.
        why: ``experiment``, ``preparation``, ``first fill``, ``recount``, ``receipt``, ``adjustment`` or ``move``.
        by: who has booked it.
        because: why.
        at_s: lab time.
    """

    number: int
    taken_from: str
    put_into: str
    amount: int
    unknown: int
    facts: StockFacts
    campaign: str
    label: str
    step_id: str
    why: str
    by: str = ""
    because: str = ""
    at_s: float = 0.0

    def row(self) -> Row:
        """As it is written to the journal: amounts are 0 or more, what flows back has its ends changed."""
        ends, sign = (self.taken_from, self.put_into), 1
        if self.amount < 0:
            ends, sign = (self.put_into, self.taken_from), -1
        return {
            "taken_from": ends[0],
            "put_into": ends[1],
            "amount": sign * self.amount,
            "unknown": sign * self.unknown,
            "material": self.facts.material,
            "lot": self.facts.lot,
            "unit": self.facts.unit,
            "campaign": self.campaign,
            "label": self.label,
            "step_id": self.step_id,
            "why": self.why,
            "by": self.by,
            "because": self.because,
            "at_s": self.at_s,
        }


@dataclass
class DirtyRows:
    """What has changed since the tables were written last.

    Attributes:
        campaigns: ids of those whose row has.
        specs: ids of those whose spec is to be written, which is done once.
        experiments: by id.
        steps: by id.
        resources: ``station:name``, ``position:name`` or ``device:name``.
        questions: rows by id; None for one that may be asked again.
        stocks: by name.
        wastes: by name.
        transfers: new entries of the ledger.
        positions: what positions hold now.
        samples: what people say of samples: columns that change, by campaign and label.
        trials: campaign and index of those that have changed.
        vetoes: campaign and index of new ones.
        preparations: by protocol, those whose results other campaigns may use now, or may no longer.
        remarks: what people have said, and booked: columns that change, by table and id.
        waits: what steps wait for, by id; None for those that do not wait any more.
    """

    campaigns: set[str] = field(default_factory=set)
    specs: set[str] = field(default_factory=set)
    experiments: dict[str, Experiment] = field(default_factory=dict)
    steps: dict[str, tuple[Experiment, StepRun]] = field(default_factory=dict)
    resources: set[str] = field(default_factory=set)
    questions: dict[str, Row | None] = field(default_factory=dict)
    stocks: set[str] = field(default_factory=set)
    wastes: set[str] = field(default_factory=set)
    transfers: list[Transfer] = field(default_factory=list)
    positions: dict[str, Held] = field(default_factory=dict)
    samples: dict[tuple[str, str], Row] = field(default_factory=dict)
    trials: dict[tuple[str, int], None] = field(default_factory=dict)
    vetoes: dict[tuple[str, int], None] = field(default_factory=dict)
    preparations: set[str] = field(default_factory=set)
    remarks: dict[Key, Row] = field(default_factory=dict)
    waits: dict[str, Waiting | None] = field(default_factory=dict)

    def clear(self) -> None:
        """All of it is written."""
        for collected in vars(self).values():
            collected.clear()
