"""What an event has changed: the rows of the journal's tables that are to be written with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from labwright.engine.experiment import Experiment, StepRun
from labwright.model.rows import Row


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
class Spent:
    """An entry of the ledger: what a step, or a whole experiment whose steps are not counted, has taken of a stock.

    Or what a person has found when the stock was counted.

    Attributes:
        number: of the entry of its campaign since this core began, from 1; the journal counts those of a deck.
        stock: its name.
        campaign: its id; empty for what was counted.
        label: of the experiment.
        step_id: of the step; empty for a whole experiment, by what its protocol promised.
        change_nl: what is known to be gone, below 0, or was found to be more; nanolitres.
        unknown_nl: by how much more (or less) may be gone than before, nanolitres.
        change_ml: as `change_nl`, in millilitres.
        why: ``experiment``, ``preparation``, ``first fill`` or ``recount``.
        by: who counted.
        because: why.
    """

    number: int
    stock: str
    campaign: str
    label: str
    step_id: str
    change_nl: int
    unknown_nl: int
    change_ml: float
    why: str
    by: str = ""
    because: str = ""

    def row(self) -> Row:
        """As it is written to the journal."""
        return {
            "lot": self.stock,
            "campaign": self.campaign,
            "label": self.label,
            "change_ml": self.change_ml,
            "why": self.why,
            "step_id": self.step_id,
            "change_nl": self.change_nl,
            "unknown_nl": self.unknown_nl,
            "by": self.by,
            "because": self.because,
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
        lots: stocks by name.
        spent: new entries of the ledger.
        positions: what positions hold now.
        trials: campaign and index of those that have changed.
        vetoes: campaign and index of new ones.
        preparations: by protocol, those whose results other campaigns may use now, or may no longer.
    """

    campaigns: set[str] = field(default_factory=set)
    specs: set[str] = field(default_factory=set)
    experiments: dict[str, Experiment] = field(default_factory=dict)
    steps: dict[str, tuple[Experiment, StepRun]] = field(default_factory=dict)
    resources: set[str] = field(default_factory=set)
    questions: dict[str, Row | None] = field(default_factory=dict)
    lots: set[str] = field(default_factory=set)
    spent: list[Spent] = field(default_factory=list)
    positions: dict[str, Held] = field(default_factory=dict)
    trials: dict[tuple[str, int], None] = field(default_factory=dict)
    vetoes: dict[tuple[str, int], None] = field(default_factory=dict)
    preparations: set[str] = field(default_factory=set)

    def clear(self) -> None:
        """All of it is written."""
        for collected in vars(self).values():
            collected.clear()
