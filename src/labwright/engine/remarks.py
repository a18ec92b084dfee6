"""Notes and deviations held against the journal, and recorded: by the controller that runs, or where none does."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import sqlalchemy as sa

from labwright.engine.events import ENGINE, DeviationClosed, DeviationOpened, NoteWritten, Remark
from labwright.engine.proposals import experiment_label
from labwright.engine.recording import newest_deck, recorded
from labwright.engine.remark_rows import remark_rows
from labwright.journal import Journal, NewEvent, schema
from labwright.journal.reading import spec_of
from labwright.journal.status import lab_time_s
from labwright.model.campaign import Fidelity, Objective, OutcomeLimit, Trial
from labwright.model.errors import ConfigError, RefusedError, unknown
from labwright.model.judging import best_of, counts, front
from labwright.model.persons import same_person
from labwright.model.remarks import AS_MEASURED, About, Category, Severity, Use, strictest
from labwright.model.rows import Key, Row
from labwright.model.states import OVER

NAMED = 8
"""Names that are said where a wrong one was given; there may be hundreds."""


@dataclass(frozen=True)
class NoteAsked:
    """A person wants to write something down.

    Attributes:
        text: that.
        about: what it is about; None if it takes the place of another note.
        replaces: id of that; empty if it takes no other's place.
    """

    text: str
    about: About | None = None
    replaces: str = ""


@dataclass(frozen=True)
class DeviationAsked:
    """A person says that something was not as it should be.

    Attributes:
        about: an experiment, a campaign or a station.
        expected: what should have been.
        happened: what was instead.
        category: where it comes from.
        severity: how bad it is.
        action: what was done about it at once.
        use: whether results may be used.
        experiments: of a campaign, labels of those it concerns; all that it has started if there are none.
    """

    about: About
    expected: str
    happened: str
    category: Category
    severity: Severity
    action: str = ""
    use: Use = AS_MEASURED
    experiments: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConclusionAsked:
    """A person has come to a conclusion.

    Attributes:
        deviation: its id.
        conclusion: that.
        use: whether results may be used; as before if None.
    """

    deviation: str
    conclusion: str
    use: Use | None = None


RemarkAsked = NoteAsked | DeviationAsked | ConclusionAsked
"""What a person wants to say, before it is known whether that can be said."""


def about_named(
    *, campaign: str = "", experiment: str = "", sample: str = "", station: str = "", stock: str = ""
) -> About:
    """What is meant by what a person names.

    Args:
        campaign: id of a campaign.
        experiment: of that: its label, or its number.
        sample: as ``CAMPAIGN/LABEL``.
        station: its name.
        stock: its container.

    Raises:
        ConfigError: nothing is named, or more than one thing.
    """
    if sum(map(bool, (campaign, sample, station, stock))) != 1 or (experiment and not campaign):
        raise ConfigError(
            "name what it is about: a campaign, an experiment of it (campaign and experiment), a sample "
            "(CAMPAIGN/LABEL), a station or a stock, and only one of these"
        )
    if sample:
        owner, _, label = sample.rpartition("/")
        if not (owner and label):
            raise ConfigError(f"a sample is CAMPAIGN/LABEL, not {sample!r}: several campaigns may have such a label")
        return About(kind="sample", campaign=owner, label=label)
    if station:
        return About(kind="station", name=station)
    if stock:
        return About(kind="stock", name=stock)
    if not experiment:
        return About(kind="campaign", campaign=campaign)
    return About(kind="experiment", campaign=campaign, label=label_of(experiment))


def label_of(experiment: str) -> str:
    """The label of an experiment by that, or by its number."""
    return experiment_label(int(experiment)) if experiment.isdecimal() and len(experiment) < 10 else experiment


class Remarks:
    """Makes events of what people want to say.

    Args:
        journal: of the lab.
        pending: events that will be in it before those that are made here.
    """

    def __init__(self, journal: Journal, pending: Sequence[NewEvent] = ()) -> None:
        self._journal = journal
        self._pending = pending

    def event(self, asked: RemarkAsked, by: str, said_s: float) -> Remark:
        """What a person wants to say, as an event.

        Args:
            asked: that.
            by: the person.
            said_s: wall time.

        Raises:
            ConfigError: it is about what is not there.
            RefusedError: it was replaced or closed already, or another person has to close it.
        """
        if isinstance(asked, NoteAsked):
            return self._note(asked, by, said_s)
        return self._opened(asked, by, said_s) if isinstance(asked, DeviationAsked) else self._closed(asked, by, said_s)

    def _note(self, asked: NoteAsked, by: str, said_s: float) -> NoteWritten:
        about = asked.about
        if asked.replaces:
            before = self._row(schema.note, asked.replaces, "note")
            if before["replaced_by"]:
                raise RefusedError(
                    f"note {asked.replaces} was replaced by {before['replaced_by']} already; correct that one"
                )
            about = about_of(before)
        if about is None:
            raise ConfigError("a note says what it is about, or which note it replaces")
        self._refuse_unknown(about)
        return NoteWritten(
            id=f"N{self._next(schema.note)}",
            about=about,
            text=asked.text,
            by=by,
            said_s=said_s,
            replaces=asked.replaces,
        )

    def _opened(self, asked: DeviationAsked, by: str, said_s: float) -> DeviationOpened:
        about = asked.about
        if about.kind not in ("experiment", "campaign", "station"):
            raise ConfigError(
                f"a deviation is about an experiment, a campaign or a station, not about a {about.kind}; write a note "
                "about that, and open the deviation about the experiment"
            )
        self._refuse_unknown(about)
        experiments = self._experiments(about, asked.experiments)
        if asked.use != AS_MEASURED and not experiments:
            what = "a station has no results" if about.kind == "station" else "it has started no experiment"
            raise ConfigError(
                f"use {asked.use!r} is for results, and {what}: leave it out, and open one about each experiment or "
                "campaign whose results it concerns"
            )
        name = f"D{self._next(schema.deviation)}"
        return DeviationOpened(
            id=name, about=about, experiments=experiments, expected=asked.expected, happened=asked.happened,
            category=asked.category, severity=asked.severity, action=asked.action, use=asked.use, by=by, said_s=said_s,
            uses=self._uses(about.campaign, experiments, name, asked.use),
            voids=self._voids(about.campaign, experiments, asked.use),
        )  # fmt: skip

    def _closed(self, asked: ConclusionAsked, by: str, said_s: float) -> DeviationClosed:
        row = self._row(schema.deviation, asked.deviation, "deviation")
        if row["state"] != "open":
            raise RefusedError(
                f"deviation {asked.deviation} was closed by {row['closed_by']} already; open another one"
            )
        if row["severity"] == "critical" and same_person(by, row["by"]):
            raise RefusedError(
                f"deviation {asked.deviation} is critical, and {row['by']} has opened it: another person closes it"
            )
        use = asked.use or row["use"]
        experiments = orjson.loads(row["experiments"])
        if use != AS_MEASURED and not experiments:
            raise ConfigError(f"use {use!r} is for results, and deviation {asked.deviation} concerns no experiment's")
        return DeviationClosed(
            id=asked.deviation, about=about_of(row), conclusion=asked.conclusion, use=use, by=by, said_s=said_s,
            uses=self._uses(row["campaign"], experiments, asked.deviation, use),
            voids=self._voids(row["campaign"], experiments, use),
        )  # fmt: skip

    def _experiments(self, about: About, named: tuple[str, ...]) -> tuple[str, ...]:
        """Labels of the experiments whose results a deviation concerns."""
        if about.kind == "experiment":
            if named not in ((), (about.label,)):
                raise ConfigError(
                    "a deviation about one experiment concerns that one; for several, name their campaign"
                )
            return (about.label,)
        if about.kind == "station":
            if named:
                raise ConfigError("a deviation about a station names no experiments; open one about their campaign")
            return ()
        known = self._labels(about.campaign)
        named = tuple(map(label_of, named))
        wrong = [unknown("experiment", one, known[-NAMED:]) for one in named if one not in known]
        if wrong:
            raise ConfigError(f"{about.campaign}: {'; '.join(wrong)}")
        return tuple(dict.fromkeys(named)) or tuple(known)

    def _uses(self, campaign: str, experiments: Iterable[str], name: str, use: Use) -> dict[str, Use]:
        """Which results may be used now, where that changes, once a deviation says so."""
        before: dict[str, dict[str, Use]] = {}
        for row in self._deviations(campaign):
            for label in orjson.loads(row["experiments"]):
                before.setdefault(label, {})[row["id"]] = row["use"]
        searched = self._searched(campaign)
        found: dict[str, Use] = {}
        for label in experiments:
            of = before.get(label, {})
            now = strictest([*(other for key, other in of.items() if key != name), use])
            if now != strictest(of.values()) and label in searched:
                found[label] = now
        return found

    def _voids(self, campaign: str, experiments: Collection[str], use: Use) -> tuple[str, ...]:
        """Preparations of a campaign that others would take over, and must not where they may not be used."""
        if use == AS_MEASURED:
            return ()
        rows = self._journal.rows(schema.preparation, schema.preparation.c.campaign == campaign)
        return tuple(sorted({str(row["protocol"]) for row in rows if row["protocol"] in experiments}))

    def _searched(self, campaign: str) -> set[str]:
        """Labels of experiments that a planner learns from: a preparation is none."""
        trial = schema.trial
        query = sa.select(trial.c.label).where(trial.c.campaign == campaign, trial.c.label != "")
        return {str(row["label"]) for row in self._journal.read(query)}

    def _labels(self, campaign: str) -> list[str]:
        one = schema.experiment
        query = sa.select(one.c.label).where(one.c.campaign == campaign).order_by(one.c.label)
        return [str(row["label"]) for row in self._journal.read(query)]

    def _refuse_unknown(self, about: About) -> None:
        """Refuse what is said about something that is not there.

        Raises:
            ConfigError: it is not.
        """
        journal = self._journal
        if about.kind == "station":
            known = stations(journal)
            if about.name not in known:
                raise ConfigError(unknown("station", about.name, known))
            return
        if about.kind == "stock":
            names = [str(row["name"]) for row in journal.rows(schema.stock, order=schema.stock.c.name)]
            if about.name not in names:
                raise ConfigError(unknown("stock", about.name, list(dict.fromkeys(names))))
            return
        campaign = schema.campaign
        if not journal.rows(campaign, campaign.c.id == about.campaign):
            ids = [str(row["id"]) for row in journal.rows(campaign)]
            raise ConfigError(unknown("campaign", about.campaign, ids[-NAMED:]))
        if about.kind == "campaign":
            return
        table = schema.experiment if about.kind == "experiment" else schema.sample
        if not journal.rows(table, table.c.campaign == about.campaign, table.c.label == about.label):
            known = self._labels(about.campaign)
            raise ConfigError(f"{about.campaign}: {unknown(about.kind, about.label, known[-NAMED:])}")

    def _row(self, table: sa.Table, name: str, what: str) -> Row:
        """A note or a deviation as it will be then.

        Raises:
            ConfigError: there is none.
        """
        rows = self._journal.rows(table, table.c.id == name)
        found: dict[str, Any] = dict(rows[0]) if rows else {}
        for one in self._pending:
            found |= one.changes.get((table.name, name)) or {}
        if "n" not in found:
            raise ConfigError(f"there is no {what} {name[:40]!r}; labwright {what} list has them")
        blank = {column.name: "" for column in table.columns}
        return {**blank, **found}

    def _deviations(self, campaign: str) -> list[Row]:
        """All about a campaign, as they will be then."""
        table = schema.deviation
        found = {row["id"]: dict(row) for row in self._journal.rows(table, table.c.campaign == campaign)}
        for one in self._pending:
            if one.campaign == campaign:
                for key, row in one.changes.items():
                    if key[0] == table.name and row is not None:
                        found.setdefault(str(key[1]), {}).update(row)
        return list(found.values())

    def _next(self, table: sa.Table) -> int:
        """The number of the next one: this process alone writes them."""
        (row,) = self._journal.read(sa.select(sa.func.max(table.c.n).label("n")))
        new = (key for one in self._pending for key, said in one.changes.items() if key[0] == table.name and said)
        return max([int(row["n"] or 0), *(int(str(key[1])[1:]) for key in new)]) + 1


def about_of(row: Mapping[str, Any]) -> About:
    """What a note or a deviation is about.

    Args:
        row: of the table.
    """
    return About(kind=row["about"], name=row["name"], campaign=row["campaign"], label=row["label"])


def stations(journal: Journal) -> list[str]:
    """Stations of the lab, as its newest controller knew them, and those that have worked."""
    epoch, step = schema.epoch, schema.step
    newest = sa.select(epoch.c.stations).where(epoch.c.stations != "").order_by(epoch.c.id.desc()).limit(1)
    rows = journal.read(newest)
    known = orjson.loads(rows[0]["stations"]) if rows else []
    worked = journal.read(sa.select(step.c.station).where(step.c.station != "").distinct())
    return list(dict.fromkeys([*known, *(str(row["station"]).partition("/")[0] for row in worked)]))


def judged_rows(journal: Journal, event: Remark, pending: Sequence[NewEvent] = ()) -> dict[Key, Row | None]:
    """Trials, their campaign and its preparations as an event leaves them, where no core has it: by the tables.

    Args:
        journal: of the lab.
        event: what a person has said.
        pending: events that will be in the journal before it.
    """
    if isinstance(event, NoteWritten):
        return {}
    uses, campaign, table, made = event.uses, event.about.campaign, schema.trial, schema.preparation
    changed: dict[Key, Row | None] = {
        ("preparation", row["instruments"], row["protocol"]): None
        for row in journal.rows(made, made.c.campaign == campaign, made.c.protocol.in_(event.voids))
    }
    if not uses:
        return changed
    trials: list[Trial] = []
    later = {key: row for one in pending for key, row in one.changes.items() if row is not None}
    for kept in journal.rows(table, table.c.campaign == campaign, order=table.c.n):
        row = later.get(("trial", campaign, kept["n"]), kept)
        trial = Trial.model_validate_json(row["trial"])
        if row["label"] in uses:
            trial = trial.model_copy(update={"use": uses[row["label"]]})
            changed["trial", campaign, row["n"]] = {**row, "trial": trial.model_dump_json()}
        trials.append(trial)
    spec = spec_of(journal, campaign)
    limits = [OutcomeLimit.model_validate(one) for one in spec.get("outcome_limits", ())]
    fidelity = Fidelity.model_validate(spec["fidelity"]) if spec.get("fidelity") else None
    objective, *more = [Objective.model_validate(one) for one in (spec["objective"], *spec.get("more_objectives", ()))]
    best = best_of(objective, trials, limits, fidelity)
    on_front = front([objective, *more], [one for one in trials if counts(one, limits, fidelity)]) if more else []
    (row,) = journal.rows(schema.campaign, schema.campaign.c.id == campaign)
    mean = None if best is None else best.outcomes[objective.name].mean
    changed["campaign", campaign] = {**row, "best": mean, "front": len(on_front) or None}
    return changed


def refuse_elsewhere(journal: Journal, event: Remark, deck: str, live: Collection[str]) -> None:
    """Refuse what a campaign on other instruments would have to know when it is resumed.

    Args:
        journal: of the lab.
        event: what a person wants to say.
        deck: of the controller.
        live: campaigns that it works on.

    Raises:
        RefusedError: so it is.
    """
    campaign = event.about.campaign
    if isinstance(event, NoteWritten) or not event.uses or campaign in live:
        return
    (row,) = journal.rows(schema.campaign, schema.campaign.c.id == campaign)
    if row["state"] not in OVER and row["instruments"] != deck:
        raise RefusedError(
            f"{campaign} was interrupted on other instruments than those the controller runs on, so what may be used "
            "of it cannot be changed now; end this controller first, or leave the use as it is"
        )


def say_alone(journal: Journal, asked: RemarkAsked, *, by: str) -> Remark:
    """Record what a person says, where no controller runs.

    Args:
        journal: of the lab.
        asked: what that person wants to say.
        by: the person.

    Raises:
        ConfigError: it is about what is not there.
        RefusedError: a controller runs; or as from `Remarks.event`.
    """
    journal.claim()
    event = Remarks(journal).event(asked, by, time.time())
    deck = _deck(journal, event.about)
    now_s = lab_time_s(journal, deck) or time.time()
    journal.control(by, instruments=deck, engine=ENGINE)
    changes: dict[Key, Row | None] = dict(judged_rows(journal, event))
    changes.update(remark_rows(event))
    journal.record([recorded(event, now_s, changes, deck, event.about.campaign)])
    return event


def _deck(journal: Journal, about: About) -> str:
    """The instruments that something is on; of a station those of the newest controller."""
    if about.campaign:
        table = schema.campaign
        return str(journal.rows(table, table.c.id == about.campaign)[0]["instruments"])
    if about.kind == "stock":
        return str(journal.rows(schema.stock, schema.stock.c.name == about.name)[0]["instruments"])
    return newest_deck(journal)
