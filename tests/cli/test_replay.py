"""A campaign decided again from its journal: the same, or where not."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import orjson
import pytest

from labwright.cli.init import make_lab
from labwright.cli.replaying import replay_campaign
from labwright.engine.events import Event, Started, Suggested, decisions
from labwright.journal import Journal, NewEvent
from labwright.model.campaign import Objective, PlannerSpec, Suggestion
from labwright.model.protocol import NumberParameter, NumberResult, ProtocolSpec, StepSpec
from labwright.model.space import Real, Space
from labwright.model.spec import CampaignSpec
from tests.engine.alone import Alone
from tests.forks import labwright


def first_events(journal: Journal, campaign: str = "first-20260101-000000-0001") -> None:
    """Write a campaign whose first step is under way."""
    protocol = ProtocolSpec(
        name="warm_up",
        version="1",
        title="Warm up",
        parameters=(NumberParameter(name="temperature", unit="degC", low=20, high=90),),
        results=(NumberResult(name="glow", unit="1"),),
        steps=(StepSpec(name="warm", station="heating", expected_s=300),),
    )
    spec = CampaignSpec(
        name=campaign.partition("-")[0],
        title="The temperature at which the sample glows most",
        protocol="warm_up",
        space=Space(parameters=(Real(type="real", name="temperature", unit="degC", low=25, high=85),)),
        objective=Objective(name="glow", goal="max", unit="1"),
        planner=PlannerSpec(name="random"),
        budget=4,
    )
    core = Alone()
    events: list[Event] = [
        Started(campaign=campaign, spec=spec, protocols=(protocol,), by="Bo"),
        Suggested(suggestion=Suggestion(params={"temperature": 40.0}, rationale="somewhere")),
    ]
    for event in events:
        decided = orjson.dumps(decisions(core.handle(event)))
        payload = event.model_dump_json().encode()
        journal.record([NewEvent(campaign, event.kind, payload, decided, 1_767_225_600.0, core.changes())])


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a campaign that has ended, and whose planner has learnt."""
    folder = tmp_path_factory.mktemp("labs")
    make_lab(folder / "mine")
    words = ("campaign", "run", "first", "--simulated", "--no-store", "--lab", folder / "mine", "--data", folder)
    done = labwright(*words)
    assert done.returncode == 0, done.stderr
    return folder / "journal.sqlite"


def edited(ran: Path, tmp_path: Path, event: int, change: Any, column: str = "payload") -> Path:
    """A copy of the journal in which somebody has edited an event."""
    copy = tmp_path / "journal.sqlite"
    shutil.copy(ran, copy)
    with sqlite3.connect(copy) as connection:
        query = "SELECT payload, decisions FROM event WHERE id = ?"
        ((payload, decided),) = connection.execute(query, (event,)).fetchall()
        row = {"payload": json.loads(payload), "decisions": json.loads(decided)}
        change(row[column])
        values = (json.dumps(row["payload"]), json.dumps(row["decisions"]), event)
        connection.execute("UPDATE event SET payload = ?, decisions = ? WHERE id = ?", values)
    return copy


def differences(place: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    code = replay_campaign(place, "first", json=True)
    *found, summary = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert summary["differences"] == len(found)
    return code, found, summary


def test_what_was_decided_is_decided_again(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, found, summary = differences(ran, capsys)
    assert (code, found) == (0, [])
    assert (summary["events"], summary["suggestions"]) == (13, 4)
    assert replay_campaign(ran, "first", json=False) == 0
    assert "all agree" in capsys.readouterr().err


def test_an_edited_suggestion_is_found(ran: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = edited(ran, tmp_path, 2, lambda one: one["suggestion"]["params"].update(temperature=50.0))
    code, found, _ = differences(copy, capsys)
    assert code == 1
    assert (found[0]["event"], found[0]["field"], found[0]["then"]) == (2, "suggestion.params.temperature", 50.0)
    with sqlite3.connect(ran) as connection:
        ((kept,),) = connection.execute("SELECT payload FROM event WHERE id = 2").fetchall()
    assert found[0]["now"] == pytest.approx(json.loads(kept)["suggestion"]["params"]["temperature"])


def test_an_edited_result_changes_what_the_planner_says(
    ran: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = edited(ran, tmp_path, 4, lambda one: one["outcome"]["results"].update(glow=0.99))
    code, found, _ = differences(copy, capsys)
    assert code == 1
    assert found[0]["event"] == 8, "the first suggestion that comes of a model"
    assert replay_campaign(copy, "", json=False) == 1
    text = capsys.readouterr().err
    assert "event 8 (suggested), suggestion." in text
    assert "then: " in text


def test_an_edited_decision_is_found(ran: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = edited(ran, tmp_path, 13, lambda one: one.append("ask 5"), "decisions")
    code, found, _ = differences(copy, capsys)
    assert code == 1
    assert found == [{"campaign": found[0]["campaign"], "event": 13, "kind": "step_ended", "field": "decision 2",
                      "then": "ask 5", "now": "nothing"}]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [lambda one: one["outcome"].update(step_id="nowhere"), lambda one: one.update(kind="nonsense")],
    ids=["another step", "no event"],
)
def test_an_event_that_cannot_have_happened_is_named(
    ran: Path, tmp_path: Path, change: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found, summary = differences(edited(ran, tmp_path, 4, change), capsys)
    assert (code, found[-1]["event"], found[-1]["field"]) == (1, 4, "the event itself")
    assert summary["events"] == 3


def test_a_campaign_under_way_can_be_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "journal.sqlite"
    with Journal(place) as journal:
        journal.control("Bo")
        first_events(journal)
        code, found, summary = differences(place, capsys)
    assert (code, summary["state"], summary["events"]) == (1, "running", 2)
    assert found[0]["field"] == "suggestion.params.temperature", "40 was not drawn at random"
