"""A gateway that never does a command twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labwright.clock import SteppedClock
from labwright.model.base import Frozen
from labwright.simulation import CommandTable, Refused, World
from labwright.simulation.faults import Fault
from labwright.simulation.kept import EffectsLog, KeptState
from labwright.simulation.mqtt import KEPT_ROWS


class Doser(CommandTable):
    """Takes 10 s for anything."""

    poured = 0.0

    def begin(self, message: dict[str, Any]) -> float:
        if message["ul"] > 100:
            raise Refused("too much")
        self.effect("dose", id=message["id"])
        return 10.0

    def progress(self, message: dict[str, Any], share: float) -> None:
        self.poured += message["ul"] * share

    def finish(self, message: dict[str, Any]) -> dict[str, Any]:
        return {"ul": message["ul"]}


class Bench(Frozen):
    """A folder, and a gateway that is started in it again and again."""

    folder: Path

    def start(self, clock: SteppedClock) -> Callable[..., dict[str, Any]]:
        gateway = Doser("doser", World(clock, 1), "lab/doser")
        gateway.attach(EffectsLog(self.folder / "effects"), KeptState(self.folder))

        def ask(key: str, op: str = "dose", **more: Any) -> dict[str, Any]:
            message = {"id": key, "op": op, "ul": 50.0, **more}
            if op == "dose":
                message.setdefault("token", 1)
            ((topic, answer, retained),) = gateway.received(message)
            gateway.keep()
            assert (topic, answer.pop("id"), retained) == ("lab/doser/evt", key, False)
            return answer

        ask.gateway = gateway  # type: ignore[attr-defined]
        return ask

    def effects(self) -> int:
        return len((self.folder / "effects").read_text().splitlines())


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(folder=tmp_path)


def test_a_command_that_comes_again_is_answered_from_the_table(bench: Bench) -> None:
    clock = SteppedClock()
    ask = bench.start(clock)
    assert ask("a")["state"] == "running"
    assert ask("a")["state"] == "running"
    assert ask("b")["error"] == "busy"
    clock.sleep(10)
    assert ask("?", "outcome", of="a") == {"state": "done", "result": {"ul": 50.0}, "words": ""}
    assert ask("a")["result"] == {"ul": 50.0}
    clock.sleep(10)
    ask = bench.start(clock)  # a restart
    assert ask("a") == {"state": "done", "result": {"ul": 50.0}, "words": ""}
    assert bench.effects() == 1


def test_an_older_controller_is_fenced_also_after_a_restart(bench: Bench) -> None:
    clock = SteppedClock()
    ask = bench.start(clock)
    ask("a", token=4)
    clock.sleep(10)
    assert bench.start(clock)("b", token=3) == {"error": "fenced", "words": "token 3 is older than 4"}
    assert ask("?", "outcome", of="a", token=9)["state"] == "done", "whoever asks may fence as well"
    assert ask("b", token=8)["error"] == "fenced"
    assert ask("b", token=None)["error"] == "fenced", "a command without a token is nobody's"
    assert bench.effects() == 1


def test_what_was_told_to_be_absent_is_never_done(bench: Bench) -> None:
    clock = SteppedClock()
    assert bench.start(clock)("?", "outcome", of="late")["state"] == "absent"
    ask = bench.start(clock)
    assert ask("late")["error"] == "too late"
    assert ask("?", "outcome", of="late")["state"] == "absent"
    assert ask("late#2")["state"] == "running", "its sender sends another"
    assert bench.effects() == 1


def test_what_was_under_way_when_the_power_went_is_unknown(bench: Bench) -> None:
    clock = SteppedClock()
    ask = bench.start(clock)
    ask("a")
    clock.sleep(4)
    ask = bench.start(clock)
    told = {"state": "unknown", "result": None, "words": "the power went while it was under way"}
    assert ask("?", "outcome", of="a") == told
    assert ask("a") == told, "and it is not done again"
    ask("b")
    ask.gateway.add_fault(Fault(kind="power_cycle"))  # type: ignore[attr-defined]
    assert ask("?", "outcome", of="b")["state"] == "unknown"
    assert bench.effects() == 2


def test_a_stopped_command_tells_how_far_it_came(bench: Bench) -> None:
    clock = SteppedClock()
    ask = bench.start(clock)
    ask("a")
    clock.sleep(4)
    assert ask("?", "stop")["state"] == "done"
    told = ask("?", "outcome", of="a")
    assert (told["state"], told["result"]) == ("unknown", {"share": pytest.approx(0.4)})
    assert ask.gateway.poured == pytest.approx(20.0)  # type: ignore[attr-defined]


def test_the_row_is_on_the_disk_before_anything_is_done(bench: Bench) -> None:
    clock = SteppedClock()
    ask = bench.start(clock)
    seen = []

    def look(message: dict[str, Any]) -> float:
        kept = KeptState(bench.folder).read("doser")
        assert kept is not None
        seen.append(kept["rows"]["a"]["state"])
        return 0.0

    ask.gateway.begin = look  # type: ignore[attr-defined]
    assert ask("a")["state"] == "done"
    assert seen == ["running"]


def test_a_refused_command_has_not_begun(bench: Bench) -> None:
    ask = bench.start(SteppedClock())
    assert ask("a", ul=500) == {"error": "refused", "words": "too much"}
    assert ask("b", ul="many")["error"] == "refused"
    assert ask("a")["state"] == "running"
    assert bench.effects() == 1
    assert ask.gateway.received({"no": "id"}) == []  # type: ignore[attr-defined]


def test_the_table_forgets_only_what_nobody_can_mean_any_more(bench: Bench) -> None:
    ask = bench.start(SteppedClock())
    ask.gateway.rows = {f"old-{i}": {"state": "done", "result": None} for i in range(KEPT_ROWS)}  # type: ignore[attr-defined]
    assert ask("new")["state"] == "running"
    assert len(ask.gateway.rows) == KEPT_ROWS  # type: ignore[attr-defined]
