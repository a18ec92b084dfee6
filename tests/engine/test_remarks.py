"""Notes and deviations: what is recorded of them, and what planners, stop rules and later campaigns make of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labwright.engine import CampaignCore, rebuilt
from labwright.engine.earlier import earlier_campaigns
from labwright.engine.events import ENGINE, Ask, DeviationOpened, Resumed, RunStep
from labwright.engine.remarks import ConclusionAsked, DeviationAsked, NoteAsked, about_named, say_alone
from labwright.engine.snapshots import dumped, loaded
from labwright.facts.exporting import export_rows
from labwright.facts.remarks import deviation_list, note_list, one_remark
from labwright.journal import Journal, schema
from labwright.journal.listing import listed
from labwright.journal.reading import campaign_rows, choose, controller
from labwright.model.errors import ConfigError, LabwrightError, RefusedError
from labwright.model.remarks import About, Use
from labwright.report import read_record
from tests.engine.alone import Alone
from tests.engine.test_core import ended, started, suggested
from tests.engine.test_earlier import ID, spec, write
from tests.postgres import PostgresServer

CAMPAIGN = About(kind="campaign", campaign=ID)


def experiment(label: str) -> About:
    return About(kind="experiment", campaign=ID, label=label)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with holding(tmp_path / "journal.sqlite") as one:
        yield one


@contextlib.contextmanager
def holding(place: str | Path) -> Iterator[Journal]:
    """A journal with a campaign that has measured 2, 5 and 3, and that no controller carries out."""
    with Journal(place) as one:
        one.control("Ann", stations=["mixer", "oven"])
        write(one, ID, [2.0, 5.0, 3.0])
        write(one, "other-20260103-000000-0001", [1.0])
    with Journal(place) as one:
        yield one


def note(journal: Journal, text: str, about: About | None = CAMPAIGN, replaces: str = "", by: str = "ann") -> str:
    return say_alone(journal, NoteAsked(text, about, replaces), by=by).id


def deviate(journal: Journal, about: About = CAMPAIGN, *, use: Use = "as measured", by: str = "ann", **of: Any) -> str:
    said = {"expected": "25 °C", "happened": "31 °C", "category": "environment", "severity": "minor", **of}
    return say_alone(journal, DeviationAsked(about, use=use, **said), by=by).id


def close(journal: Journal, deviation: str, *, use: Use | None = None, by: str = "bea") -> None:
    say_alone(journal, ConclusionAsked(deviation, "the room was too warm", use), by=by)


def uses(journal: Journal) -> list[str]:
    """By the table, by its events, and by an export; they are the same."""
    trial = schema.trial
    rows = journal.rows(trial, trial.c.campaign == ID, order=trial.c.n)
    core = rebuilt(journal, ID)
    found = [one.use for one in core.trials if core.has_experiment(one)]
    assert [one.model_dump_json() for one in core.trials] == [row["trial"] for row in rows]
    assert [row["use"] for row in export_rows(journal, ID)] == [one.use for one in core.trials]
    return [str(one) for one in found]


def best(journal: Journal) -> Any:
    (row,) = [one for one in campaign_rows(journal) if one["id"] == ID]
    assert row["best"] == rebuilt(journal, ID).best
    return listed(journal, row, controller(journal))["best"]


def test_a_note_is_replaced_and_stays(journal: Journal) -> None:
    first = note(journal, "  the cell leaks ", experiment("0001"))
    second = note(journal, "it does not: condensate", None, first, by="bea")
    assert (first, second) == ("N1", "N2")
    one, other = note_list(journal, CAMPAIGN)
    assert (one["text"], one["by"], one["replaced_by"]) == ("the cell leaks", "ann", "N2")
    assert (other["label"], other["by"], other["replaces"]) == ("0001", "bea", "N1")
    with pytest.raises(RefusedError, match="N1 was replaced by N2 already"):
        note(journal, "again", None, first)
    with pytest.raises(ConfigError, match="no note 'N9'"):
        note(journal, "again", None, "N9")
    record = read_record(journal, ID)
    assert [one["id"] for one in record.notes_of("0001")] == ["N2"]
    row = next(one for one in export_rows(journal, ID) if one["experiment"] == "0001")
    assert row["notes"] == "N2 bea: it does not: condensate"


@pytest.mark.parametrize(
    ("about", "words"),
    [
        (About(kind="station", name="mixr"), "did you mean 'mixer'"),
        (About(kind="stock", name="water"), "no stock 'water'"),
        (About(kind="campaign", campaign="none"), "no campaign 'none'"),
        (experiment("0007"), "no experiment '0007'"),
        (About(kind="sample", campaign=ID, label="0007"), "no sample '0007'"),
    ],
)
def test_nothing_is_said_about_what_is_not_there(journal: Journal, about: About, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        note(journal, "so", about)
    assert note_list(journal) == []


def test_a_station_is_known_from_its_controller(journal: Journal) -> None:
    note(journal, "squeaks", About(kind="station", name="oven"))
    deviate(journal, About(kind="station", name="oven"))
    (found,) = note_list(journal, About(kind="station", name="oven"))
    assert (found["campaign"], found["text"]) == ("", "squeaks")
    with pytest.raises(ConfigError, match="a station has no results"):
        deviate(journal, About(kind="station", name="oven"), use="not at all")
    assert len(deviation_list(journal)) == 1


def test_what_is_named_is_one_thing() -> None:
    assert about_named(campaign="c", experiment="7").label == "0007"
    assert about_named(sample="c/0001") == About(kind="sample", campaign="c", label="0001")
    for wrong in ({}, {"campaign": "c", "station": "s"}, {"experiment": "7"}, {"sample": "0001"}):
        with pytest.raises(ConfigError):
            about_named(**wrong)


def test_a_result_that_may_not_be_used_is_no_best_and_teaches_nothing(journal: Journal) -> None:
    assert (best(journal), uses(journal)) == (5.0, ["as measured"] * 3)
    first = deviate(journal, experiment("0002"), use="not for the planner")
    assert (best(journal), uses(journal)) == (5.0, ["as measured", "not for the planner", "as measured"])
    second = deviate(journal, experiment("0002"), use="not at all", severity="critical")
    assert (best(journal), uses(journal)[1]) == (3.0, "not at all")
    (found,), wrong = earlier_campaigns(journal, spec())
    assert wrong == {}
    assert [one.outcomes["y"].mean for one in found.trials] == [2.0, 3.0], "a later campaign does not learn from it"
    row = export_rows(journal, ID)[1]
    assert row["y"] == 5.0, "what was measured stays"
    assert row["deviations"].startswith("D1 minor, environment, open: expected 25 °C; happened 31 °C | D2 critical")
    with pytest.raises(RefusedError, match="another person closes it"):
        close(journal, second, by=" Ann")
    close(journal, second, use="as measured")
    assert (best(journal), uses(journal)[1]) == (5.0, "not for the planner"), "the first deviation still says so"
    close(journal, first, use="as measured", by="ann")
    assert (best(journal), uses(journal)) == (5.0, ["as measured"] * 3)
    with pytest.raises(RefusedError, match="D2 was closed by bea already"):
        close(journal, second)
    shown = one_remark(journal, second)
    assert (shown["state"], shown["first_use"], shown["use"]) == ("closed", "not at all", "as measured")
    assert deviation_list(journal, open_only=True) == []


def test_a_campaign_s_deviation_concerns_what_it_names_or_all_it_has_begun(journal: Journal) -> None:
    deviate(journal, use="not at all", experiments=("1", "0003"))
    assert uses(journal) == ["not at all", "as measured", "not at all"]
    deviate(journal, use="not for the planner")
    assert uses(journal) == ["not at all", "not for the planner", "not at all"]
    assert best(journal) == 5.0
    assert [one["id"] for one in deviation_list(journal, experiment("0001"))] == ["D1", "D2"]
    with pytest.raises(ConfigError, match="no experiment '0009'; did you mean"):
        deviate(journal, use="not at all", experiments=("9",))
    with pytest.raises(ConfigError, match="none of its 3 experiments found y"):
        raise ConfigError(earlier_campaigns(journal, spec())[1][0])


def test_what_is_said_is_no_work_of_the_campaign(journal: Journal) -> None:
    before = [one["id"] for one in campaign_rows(journal)]
    ended_s = read_record(journal, ID).ended_s
    note(journal, "later")
    deviate(journal, experiment("0002"), use="not at all")
    assert [one["id"] for one in campaign_rows(journal)] == before, "the newest is still the other one"
    assert choose(journal, "")["name"] == "other"
    assert read_record(journal, ID).ended_s == ended_s
    assert controller(journal).campaigns == frozenset()


def test_a_journal_in_postgresql_has_the_same(postgres: PostgresServer) -> None:
    with holding(postgres.fresh_database()) as journal:
        assert note(journal, "again", None, note(journal, "first", experiment("0001"))) == "N2"
        number = deviate(journal, experiment("0002"), use="not at all")
        assert (best(journal), uses(journal)) == (3.0, ["as measured", "not at all", "as measured"])
        close(journal, number, use="as measured")
        assert best(journal) == 5.0


def test_none_says_anything_beside_a_controller(journal: Journal) -> None:
    with Journal(journal.place) as other:
        other.claim()
        with pytest.raises(LabwrightError, match="controller"):
            note(journal, "beside")


def opened(label: str, use: Use, number: int = 1) -> DeviationOpened:
    return DeviationOpened(
        id=f"D{number}", about=About(kind="experiment", campaign=ID, label=label), experiments=(label,), expected="a",
        happened="b", category="data", severity="major", use=use, by="ann", said_s=1.0, uses={label: use},
    )  # fmt: skip


def under_way(values: list[float]) -> Alone:
    """A campaign that has measured these, and thinks about the next."""
    core = Alone()
    core.handle(started(campaign=ID, budget=9))
    for n, value in enumerate(values):
        pending: list[Any] = core.handle(suggested(0.1 * (n + 1)))
        while pending and isinstance(pending[0], RunStep):
            step = pending.pop(0)
            pending += core.handle(ended(step, "done", **({"y": value} if step.order.step == "measure" else {})))
    return core


def asked(core: CampaignCore) -> list[tuple[str, str, Any]]:
    """What a planner would be told now."""
    return [
        (one.id, one.status, one.outcomes["y"].mean if one.outcomes else one.fail_kind) for one in core.state().trials
    ]


def test_a_planner_that_is_asked_next_knows_nothing_of_it() -> None:
    alone = under_way([2.0, 5.0])
    assert alone.core.asking
    assert alone.handle(opened("0002", "not for the planner")) == [], "nothing is done for what is said"
    assert (alone.core.best, alone.core.asking) == (5.0, 0), "what it is thinking about knew of it"
    (ask,) = alone.handle(suggested(0.9))
    assert isinstance(ask, Ask)
    assert [(one.id, one.status) for one in ask.state.trials] == [("0001", "done"), ("0002", "failed")]
    assert asked(alone.core) == [("0001", "done", 2.0), ("0002", "failed", "equipment")]
    assert alone.core.trials[1].outcomes["y"].mean == 5.0, "it is kept"
    alone.handle(opened("0002", "not at all", 2))
    assert alone.core.best == 2.0
    alone.handle(opened("0002", "as measured", 3))
    assert (alone.core.best, asked(alone.core)[1]) == (5.0, ("0002", "done", 5.0))
    assert alone.core.uses == {}


def test_what_is_said_of_one_under_way_holds_when_it_is_measured() -> None:
    alone = Alone()
    alone.handle(started(campaign=ID, budget=9))
    pending: list[Any] = alone.handle(suggested(0.3))
    alone.handle(opened("0001", "not at all"))
    assert asked(alone.core) == [("0001", "running", None)], "it is still to come"
    while pending and isinstance(pending[0], RunStep):
        one = pending.pop(0)
        pending += alone.handle(ended(one, "done", **({"y": 7.0} if one.order.step == "measure" else {})))
    assert alone.core.trials[0].outcomes["y"].mean == 7.0
    assert (alone.core.best, alone.core.stopping.since_best) == (None, 0)
    assert asked(alone.core) == [("0001", "failed", "equipment")]


def test_replay_and_a_snapshot_give_the_same_state_though_the_table_knows_more() -> None:
    alone = under_way([2.0, 5.0, 3.0])
    alone.handle(opened("0002", "not for the planner"))
    kept = dumped(alone.lab)
    here = len(alone.events)
    alone.handle(opened("0002", "not at all", 2))
    alone.handle(Resumed(epoch=2, by="Bo", engine=ENGINE))
    first = alone.events[0]
    newest = alone.core.trials
    lab = loaded(kept, lambda name: first, lambda name, number: newest[:number])  # type: ignore[arg-type,return-value]
    assert lab.campaigns[ID].trials[1].use == "not for the planner", "as it was when the snapshot was taken"
    for event in alone.events[here:]:
        lab.handle(ID, event, 0.0)
    again = Alone()
    for event in alone.events:
        again.take(event)
    assert dumped(lab, whole=True) == dumped(again.lab, whole=True) == alone.snapshot()


def test_the_front_is_counted_as_the_trials_have_it_and_again_when_people_judge(tmp_path: Path) -> None:
    two = [{"name": "z", "goal": "min", "unit": "1"}]
    with Journal(tmp_path / "journal.sqlite") as one:
        one.control("Ann", stations=["mixer", "oven"])
        write(one, ID, [2.0, 5.0, 3.0], more_objectives=two, z=[3.0, 4.0, 1.0])

    def fronts() -> tuple[object, object]:
        """By the column, and by the trials as for a journal of an earlier release."""
        with Journal.reading(tmp_path / "journal.sqlite") as journal:
            (row,) = campaign_rows(journal)
            by_trials = listed(journal, {**row, "front": None}, controller(journal))
            assert by_trials["best"] == row["best"]
            return listed(journal, row, controller(journal))["front"], by_trials["front"]

    assert fronts() == (2, 2)
    with Journal(tmp_path / "journal.sqlite") as one:
        deviate(one, experiment("0003"), use="not at all")
    assert fronts() == (2, 2), "another one takes its place"
    with Journal(tmp_path / "journal.sqlite") as one:
        deviate(one, experiment("0001"), use="not at all")
    assert fronts() == (1, 1)
