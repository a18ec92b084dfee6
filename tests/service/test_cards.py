"""Task cards over HTTP: listed with what they want, signed once, refused in words, and audited."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labwright.client import Client
from labwright.journal import Journal, journal_file, schema
from labwright.service.audit import listed
from labwright.service.database import Door, door_place
from tests.forks import labwright
from tests.service.served import Served, once, serving

LAB = Path(__file__).parents[1] / "labs" / "handwork"
READ = {"torque": 1.2, "rim": "even", "leaks": False, "remark": "fine"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(LAB, tmp_path_factory.mktemp("data"), "--speed", "100") as one:
        yield one


def until(holds: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 60
    while not (found := holds()):
        assert time.monotonic() < deadline, "it never was so"
        time.sleep(0.02)
    return found


REFUSED: dict[str, tuple[dict[str, Any], int, str]] = {
    "outside its limits": ({**READ, "torque": 2.5}, 422, "torque = 2.5 N.m is outside 0.5 to 2 N.m"),
    "another unit": ({**READ, "torque": "1.2 lb"}, 422, "is in 'lb', and is read in 'N.m'"),
    "no number": ({**READ, "torque": "much"}, 422, "torque: 'much' is not a number"),
    "a flag for a number": ({**READ, "torque": True}, 422, "torque = True is not a finite number"),
    "unknown": ({**READ, "torc": 1}, 422, "no reading 'torc'; did you mean 'torque'"),
    "missing": ({"torque": 1.2}, 422, "rim is missing (even, wavy, torn)"),
    "no value": ({**READ, "torque": None}, 422, ""),
    "a list": ({**READ, "torque": [1.2]}, 422, ""),
}


def test_a_card_is_listed_signed_once_and_audited(served: Served, tmp_path: Path) -> None:
    words = ("campaign", "submit", "crimping", "--lab", LAB, "--data", served.data, "--simulated", "--budget", "2")
    assert labwright(*words).returncode == 0
    with served.client(served.person("ole", "operator")) as ole:
        (card,) = until(lambda: ole.get("/v1/questions").json()["items"])
        assert (card["kind"], card["state"], card["task"]["station"]) == ("task", "open", "bench")
        assert card["task"]["readings"][0] == {
            "name": "torque", "description": "at the end stop", "type": "number", "unit": "N.m", "low": 0.5,
            "high": 2.0, "log": False, "allowed": "0.5 to 2 N.m",
        }  # fmt: skip
        path = f"/v1/questions/{card['id']}/answer"
        for case, (readings, status, why) in REFUSED.items():
            body = {"answer": "done", "because": "crimped", "readings": readings}
            refused = ole.post(path, json=body, headers=once())
            assert refused.status_code == status, case
            assert why in refused.json()["detail"], case
        nan = ole.post(
            path,
            content=b'{"answer": "done", "because": "x", "readings": {"torque": NaN}}',
            headers={**once(), "Content-Type": "application/json"},
        )
        assert nan.status_code in (400, 422)
        undone = ole.post(path, json={"answer": "failed", "because": "x", "readings": READ}, headers=once())
        assert "what was not done has no readings" in undone.json()["detail"]
        assert ole.get("/v1/questions").json()["items"] == [card]
        body = {"answer": "done", "because": "crimped", "readings": {**READ, "torque": "1.2 N.m"}}
        key = once()
        for _ in range(2):
            signed = ole.post(path, json=body, headers=key)
            assert (signed.status_code, signed.json()["state"]) == (200, "done"), signed.text
        late = ole.post(path, json=body, headers=once())
        assert "no open question" in late.json()["detail"]
    with Client(served.url, served.admin) as client:
        (second,) = until(client.questions.list)
    assert (second.kind, second.state) == ("task", "open")
    key_file = tmp_path / "key"
    key_file.touch(0o600)
    key_file.write_text(served.person("oma", "operator"))
    far = ("--url", served.url, "--key-file", key_file, "--by", "oma", "--reason", "crimped", "--json")
    read = ("--reading", "rim=wavy", "--reading", "leaks=true", "--reading", "remark=")
    wrong = labwright("question", "answer", second.id, "done", "--reading", "torque=9", *read, *far)
    assert (wrong.returncode, "torque = 9 N.m is outside 0.5 to 2 N.m" in wrong.stderr) == (3, True), wrong.stderr
    done = labwright("question", "answer", second.id, "done", "--reading", "torque=0.7 N.m", *read, *far)
    assert json.loads(done.stdout)["readings"] == {"torque": 0.7, "rim": "wavy", "leaks": True, "remark": ""}
    with served.client(served.person("vera", "viewer")) as vera:
        assert vera.post(path, json=body, headers=once()).status_code == 403
    with Journal.reading(journal_file(served.data)) as journal:
        row, _ = journal.rows(schema.question, order=schema.question.c.id)
        assert (row["by"], row["readings"]) == ("ole", '{"torque":1.2,"rim":"even","leaks":false,"remark":"fine"}')
        commands = journal.rows(schema.command, schema.command.c.kind == "answer")
        assert [one["by"] for one in commands] == ["ole", "oma"]
    with Door(door_place(journal_file(served.data))) as door:
        entries = [one for one in listed(door) if one["action"] == "question.answer" and one["actor"] == "ole"]
    assert any("torque" in str(one) for one in entries)
