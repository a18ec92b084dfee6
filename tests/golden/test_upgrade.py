"""Upgraded in the middle of a campaign: what an earlier version was cut off in goes on, on the same instruments."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labwright.engine import rebuilt
from labwright.journal import Journal, schema
from tests.golden import journals
from tests.golden.bench import Bench, bench
from tests.golden.test_replay import the_same_again
from tests.postgres import PostgresServer

GOLDEN = Path(__file__).parent
VERSIONS = sorted({path.parents[1].name for path in GOLDEN.glob("*/*/journal.sqlite.gz")})
WHO = ("--by", "Cem", "--reason")

pytestmark = pytest.mark.slow


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cut_off(version: str, tmp_path: Path) -> Iterator[Callable[[str], Bench]]:
    """Journal and instruments as an earlier version left them, the instruments switched on."""
    with bench(tmp_path) as one:

        def left(scenario: str) -> Bench:
            journals.restore_sqlite(GOLDEN / version / scenario, tmp_path)
            one.restore(journals.instruments(GOLDEN / version / scenario, "sqlite"))
            one.switch_on()
            return one

        yield left


def finished(one: Bench) -> dict[str, dict[str, Any]]:
    """What was tried and is over, by the number of the experiment."""
    with Journal(one.place) as journal:
        trials = rebuilt(journal, journal.campaigns()[-1]).trials
    return {trial.id: trial.model_dump() for trial in trials if trial.id.isdigit() and trial.status != "running"}


def resumed(
    one: Bench, campaign: str, *words: str, steer: Callable[[], None] = lambda: None, same: bool = True
) -> None:
    """Resume it as a user would, to its end: as many experiments as it was to have, each dosed once.

    Args:
        one: with its journal and its instruments.
        campaign: its name.
        words: more for its command line.
        steer: what people do meanwhile.
        same: whether this version must decide everything as it was recorded.
    """
    before, effects = finished(one), one.kept()["effects"]
    one.begin(campaign, *words)
    steer()
    assert one.end() == 0, one.said()
    (row,) = one.rows(schema.campaign)
    assert (row["state"], row["tried"]) == ("completed", row["budget"])
    after = finished(one)
    assert len(after) == row["budget"]
    assert {key: after[key] for key in before} == before
    one.switch_off()
    kept = one.kept()
    assert kept["effects"][: len(effects)] == effects
    dosed_once(one, kept)
    if same:
        assert the_same_again(one.place) > 0


def dosed_once(one: Bench, kept: dict[str, Any]) -> None:
    """Every experiment got what its parameters say, by its records; and the pumps gave that and no more."""
    intents = one.rows(schema.intent)
    assert {row["state"] for row in intents} <= {"confirmed", "absent"}
    recorded: dict[tuple[str, str], float] = {}
    for row in intents:
        if row["device"].startswith("pump_") and row["state"] == "confirmed":
            key = row["device"].removeprefix("pump_"), row["step_id"].split("/")[1]
            recorded[key] = recorded.get(key, 0.0) + row["value"]
    for label, trial in finished(one).items():
        cyan = 10.0 + 200.0 * trial["params"]["share"]
        assert recorded["cyan", label] == pytest.approx(cyan, abs=0.1)
        assert recorded["amber", label] == pytest.approx(220.0 - cyan, abs=0.1)
    for ink, given_ul in kept["state"]["_world"]["given"].items():
        if ink != "water":
            assert given_ul == pytest.approx(sum(ul for (which, _), ul in recorded.items() if which == ink), abs=1.0)


def test_in_the_middle_of_a_dose(cut_off: Callable[[str], Bench]) -> None:
    resumed(cut_off("cut_single"), "single")


def test_with_samples_under_way(cut_off: Callable[[str], Bench]) -> None:
    resumed(cut_off("cut_parallel"), "parallel")


def test_with_a_question_open(cut_off: Callable[[str], Bench]) -> None:
    one = cut_off("cut_question")
    resumed(one, "single", steer=lambda: one.answer("rest", "the syringe is straight again"))


def test_while_it_is_paused(cut_off: Callable[[str], Bench]) -> None:
    one = cut_off("cut_paused")

    def steer() -> None:
        one.until(lambda: "resumed" in one.kinds(), "it is resumed")
        assert one.state() == "paused"
        assert not one.moves()
        one.tell("campaign", "resume", "parallel", *WHO, "after lunch")

    resumed(one, "parallel", steer=steer)


def test_on_postgresql(version: str, postgres: PostgresServer, tmp_path: Path) -> None:
    folder = GOLDEN / version / "cut_parallel"
    place = journals.restore_postgres(folder, tmp_path, postgres.fresh_database())
    with bench(tmp_path, place) as one:
        one.restore(journals.instruments(folder, "sql"))
        one.switch_on()
        resumed(one, "parallel")


def decided_otherwise(one: Bench, change: Callable[[list[str]], list[str]], kind: str = "step_ended") -> int:
    """Let the journal have another decision on the first event of a kind, as if another version had made it."""
    with sqlite3.connect(one.place) as connection:
        query = "SELECT id, decisions FROM event WHERE kind = ? ORDER BY id"
        number, decided = connection.execute(query, (kind,)).fetchone()
        new = (json.dumps(change(json.loads(decided))), number)
        connection.execute("UPDATE event SET decisions = ? WHERE id = ?", new)
    connection.close()
    return int(number)


def test_what_is_decided_otherwise_is_said_before_anything_goes_on(cut_off: Callable[[str], Bench]) -> None:
    one = cut_off("cut_single")
    number = decided_otherwise(one, lambda decided: [*decided, "ask 99"])
    effects, events = one.kept()["effects"], one.rows(schema.event)
    one.begin("single")
    assert one.end() == 5, one.said()
    said = " ".join(one.said().split())
    assert f"on event {number} (step_ended) version 1 of the engine decided: " in said
    assert ", ask 99; this one, version " in said
    assert "nothing was started" in said
    assert f"labwright campaign replay {one.campaign()} --data" in said
    assert "--decisions-changed" in said
    assert (one.kept()["effects"], one.rows(schema.event)) == (effects, events)
    resumed(one, "single", "--decisions-changed", same=False)
    noted = [json.loads(row["payload"]) for row in one.rows(schema.event) if row["kind"] == "noted"]
    (words,) = [note["words"] for note in noted if "--decisions-changed" in note["words"]]
    assert f"on event {number} (step_ended)" in words


def test_what_cannot_follow_from_other_decisions_is_not_resumed(cut_off: Callable[[str], Bench]) -> None:
    one = cut_off("cut_single")
    number = decided_otherwise(one, lambda decided: [*decided, "ask 99"], "suggested")
    with sqlite3.connect(one.place) as connection:  # the step that ended next is one that this version never began
        query = "SELECT payload FROM event WHERE id = ?"
        payload = json.loads(connection.execute(query, (number + 1,)).fetchone()[0])
        payload["outcome"]["step_id"] += "_faster"
        connection.execute("UPDATE event SET payload = ? WHERE id = ?", (json.dumps(payload), number + 1))
    connection.close()
    one.begin("single", "--decisions-changed")
    assert one.end() == 5, one.said()
    assert "this version cannot resume it; nothing was started" in " ".join(one.said().split())
