"""The service and the controller are killed under load: what was acknowledged is there, once."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from labwright.journal import Journal, schema
from labwright.service.audit import verify
from labwright.service.database import Door, door_place
from labwright.service.desk.quotas import state_of
from labwright.service.schema import request, request_event
from tests.killing.front_door import House, Lives, opened, wait_for

pytestmark = pytest.mark.long

ONCE = ("create", "submit", "find_valid", "approve", "queue", "deliver")
"""What happens once in the life of each of these requests; a start may go by unseen, while the service is down."""


@pytest.mark.timeout(170)
def test_a_few_kills(tmp_path: Path) -> None:
    survive(tmp_path / "data", service=4, controller=2, clients=2)


@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_fifty_kills_of_the_service_and_twenty_of_the_controller(tmp_path: Path) -> None:
    survive(tmp_path / "data", service=50, controller=20, clients=3)


def survive(data: Path, *, service: int, controller: int, clients: int) -> None:
    """Kill while people work; then hold what they were answered against what is there."""
    with opened(data) as house:
        lives = Lives(house)
        done = threading.Event()
        asking = [threading.Thread(target=lives.ask, args=(who,), daemon=True) for who in range(clients)]
        answering = threading.Thread(target=lives.answer, args=(done.is_set,), daemon=True)
        for one in (*asking, answering):
            one.start()
        victims = ["service"] * service + ["controller"] * controller
        random.Random(1).shuffle(victims)  # noqa: S311 - no secret
        wait_for(lambda: lives.accepted)
        for victim in victims:
            time.sleep(random.uniform(0.5, 2.0))  # noqa: S311
            house.kill(victim)
        lives.stop.set()
        for one in asking:
            one.join(200)
        try:
            wait_for(lambda: all(row["state"] == "delivered" for row in requests(house)), 300)
        finally:
            done.set()
            answering.join(100)
            said = {"killed": house.killed, "requests": len(lives.asked), "answers": len(lives.answered)}
            states = Counter(f"{row['state']} {row['note']}" for row in requests(house))
            sys.stdout.write(f"{said} {dict(states)}\n")
        assert lives.wrong == []
        check(house, lives)


def requests(house: House) -> list[Any]:
    """All there are."""
    with Door(door_place(house.journal)) as door:
        return door.rows(sa.select(request))


def check(house: House, lives: Lives) -> None:
    """Nothing that was acknowledged is lost, and nothing was done twice."""
    with Door(door_place(house.journal)) as door, Journal.reading(house.journal) as journal:
        rows = door.rows(sa.select(request))
        assert {f"R{row['n']}": row["title"] for row in rows} == lives.asked
        assert len({row["title"] for row in rows}) == len(rows)
        assert set(lives.accepted) == set(lives.asked)
        for row in rows:
            mine = request_event.c.request == row["n"]
            events = Counter(one["event"] for one in door.rows(sa.select(request_event).where(mine)))
            assert {name: events[name] for name in ONCE} == dict.fromkeys(ONCE, 1), events
            assert events["review"] == 2
            assert events["start"] <= 1
            campaigns = journal.rows(schema.campaign, schema.campaign.c.name == f"request_{row['n']}")
            assert [one["id"] for one in campaigns] == [row["campaign"]]
            trials = journal.rows(schema.trial, schema.trial.c.campaign == row["campaign"])
            assert [orjson.loads(one["trial"])["status"] for one in trials] == ["done"]
        questions = {one["id"]: one for one in journal.rows(schema.question)}
        for name, answer in lives.answered.items():
            assert (questions[name]["state"], questions[name]["answer"]) == ("answered", answer)
        answered = [
            orjson.loads(one["payload"])["question"]
            for one in journal.rows(schema.event, schema.event.c.kind == "answered")
        ]
        assert len(answered) == len(set(answered))
        with door.reading() as connection:
            taken = state_of(connection, "solar")["experiments"]
        assert (taken["reserved"], taken["charged"]) == (0, len(rows))
        assert verify(door) == []
