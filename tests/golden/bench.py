"""The lab of the golden journals at work: its simulated instruments and a controller, each a process of its own."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from labwright.journal import Journal, schema
from labwright.simulation.control import ask
from tests import forks

LAB = Path(__file__).parent / "lab"
"""In the form of the version that recorded the first journals; people migrate theirs, and so does every bench."""
WAIT_S = 60.0
"""Wall seconds until something that is waited for must have come."""

NOT_KEPT = ("_ports", "_clock")
"""Of a simulation's state: where its ports were, and how its clock went; both belong to the machine."""


class Bench:
    """A folder with a copy of the lab, and the processes that work in it.

    Args:
        data: the folder.
        place: the journal; the folder's own if empty.
        speed: lab seconds a second.

    Attributes:
        endpoints: the simulation's addresses, by which a journal knows these instruments again.
        effects: what the instruments have done, a JSON line each.
    """

    def __init__(self, data: Path, place: str, speed: float) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self.data = data
        self.lab = migrated(data / "lab")
        self.place = place or str(data / "journal.sqlite")
        self.speed = speed
        self.endpoints = data / "endpoints.json"
        self.effects = data / "effects.jsonl"
        self._state = data / "state"
        self._simulation: Any = None
        self._controller: Any = None

    def close(self) -> None:
        """Nothing is left running."""
        self.kill()
        self.switch_off()

    def switch_on(self) -> None:
        """Start the simulated instruments, from the state that is there."""
        self._simulation = forks.begin(
            "simulate", "--lab", self.lab, "--speed", f"{self.speed:g}", "--endpoints", self.endpoints,
            "--state", self._state, "--effects", self.effects, log=self.data / "simulation.log",
        )  # fmt: skip
        self.until(self.endpoints.exists, "the simulation has written its addresses")

    def switch_off(self) -> None:
        """End the simulated instruments; what they keep without power is in the folder."""
        if self._simulation is not None:
            self._simulation.terminate()
            self._simulation.join()
            self._simulation = None

    def begin(self, campaign: str, *words: str) -> None:
        """Start a controller on it."""
        self._controller = forks.begin(
            "campaign", "run", campaign, "--lab", self.lab, "--data", self.data, "--journal", self.place,
            "--endpoints", self.endpoints, "--no-store", "--by", "Ann", *words, log=self.data / "controller.log",
        )  # fmt: skip

    def end(self) -> int:
        """Wait for the controller's end: its exit code."""
        self._controller.join(WAIT_S)
        code = self._controller.exitcode
        assert code is not None, f"the controller has not ended after {WAIT_S:g} s: {self.said()}"
        self._controller = None
        return int(code)

    def kill(self) -> None:
        """SIGKILL for the controller, if it runs."""
        if self._controller is not None:
            self._controller.kill()
            self._controller.join()
            self._controller = None

    def said(self) -> str:
        """What the controllers said."""
        return (self.data / "controller.log").read_text()

    def tell(self, *words: str, journal: bool = True) -> str:
        """What ``labwright WORDS`` says, which must be carried out."""
        where = ("--journal", self.place) if journal else ()
        done = forks.labwright(*words, *where)
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}{done.stdout}"
        return done.stdout

    def fault(self, device: str, kind: str, value: float = 0.0) -> None:
        """Put a fault on an instrument."""
        self._ask({"op": "fault", "device": device, "kind": kind, "value": value})

    def clear_faults(self) -> None:
        """Take all faults off."""
        self._ask({"op": "clear"})

    def _ask(self, request: dict[str, Any]) -> None:
        ask(json.loads(self.endpoints.read_text())["control"], request)

    def rows(self, table: sa.Table, *where: Any) -> list[dict[str, Any]]:
        """Rows of the journal."""
        with Journal(self.place) as journal:
            return [dict(row) for row in journal.rows(table, *where)]

    def campaign(self) -> str:
        """Id of the newest campaign."""
        with Journal(self.place) as journal:
            return journal.campaigns()[-1]

    def state(self) -> str:
        """Of the newest campaign."""
        (row,) = self.rows(schema.campaign, schema.campaign.c.id == self.campaign())
        return str(row["state"])

    def kinds(self) -> set[str]:
        """Kinds of the newest campaign's events so far."""
        table = schema.event
        return {str(row["kind"]) for row in self.rows(table, table.c.campaign == self.campaign())}

    def running(self) -> list[str]:
        """Steps of the newest campaign that run, as ``0001/dose``."""
        table = schema.step
        rows = self.rows(table, table.c.campaign == self.campaign(), table.c.state == "running")
        return [str(row["step_id"]).split("/", 1)[1] for row in rows]

    def until_runs(self, *steps: str) -> None:
        """Wait until these steps of the newest campaign run at once, an operation of the first begun."""
        self.until(lambda: set(steps) <= set(self.running()), f"{' and '.join(steps)} run")
        begun = schema.intent.c.step_id == f"{self.campaign()}/{steps[0]}"
        self.until(lambda: bool(self.rows(schema.intent, begun)), f"{steps[0]} has begun")

    def question(self) -> str:
        """The open question, which is waited for."""
        table = schema.question
        self.until(lambda: bool(self.rows(table, table.c.state == "open")), "a question is open")
        return str(self.rows(table, table.c.state == "open")[0]["id"])

    def answer(self, answer: str, reason: str) -> None:
        """Answer the open question."""
        self.tell("question", "answer", self.question(), answer, "--by", "Bea", "--reason", reason)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for it."""
        deadline = time.monotonic() + WAIT_S
        while not self._holds(condition):
            dead = self._controller is not None and self._controller.exitcode is not None
            assert not dead, f"the controller ended before {what}: {self.said()}"
            dead = self._simulation is not None and self._simulation.exitcode is not None
            assert not dead, f"the simulation ended before {what}: {(self.data / 'simulation.log').read_text()}"
            assert time.monotonic() < deadline, f"not within {WAIT_S:g} s: {what}"
            time.sleep(0.02)

    def _holds(self, condition: Callable[[], bool]) -> bool:
        try:
            return condition()
        except (sa.exc.DBAPIError, IndexError, ValueError):
            return False  # the journal, or the campaign, is not there yet

    def moves(self) -> bool:
        """Whether an instrument is doing something by itself: a pump that was told to give."""
        before = (self._state / "_world.json").read_bytes()
        time.sleep(0.3)  # the simulation looks after its instruments twenty times a second
        return before != (self._state / "_world.json").read_bytes()

    def kept(self) -> dict[str, Any]:
        """What the simulated instruments, switched off, keep, and what they have done."""
        files = [path for path in sorted(self._state.glob("*.json")) if path.stem not in NOT_KEPT]
        lines = self.effects.read_text().splitlines()
        return {
            "state": {path.stem: json.loads(path.read_text()) for path in files},
            "effects": [json.loads(line) for line in lines],
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Let the instruments be as they were when they gave `kept`."""
        self._state.mkdir()
        for name, values in kept["state"].items():
            (self._state / f"{name}.json").write_text(json.dumps(values))
        self.effects.write_text("".join(f"{json.dumps(line)}\n" for line in kept["effects"]))

    def renew(self) -> None:
        """Other instruments at the same addresses: every vial is in the rack again."""
        self.switch_off()
        for path in (*self._state.glob("*"), self.effects):
            path.unlink(missing_ok=True)
        self.switch_on()


def migrated(lab: Path) -> Path:
    """The lab as its owner has it after an upgrade."""
    if not lab.exists():
        shutil.copytree(LAB, lab, ignore=shutil.ignore_patterns("__pycache__"))
        done = forks.labwright("lab", "migrate", lab)
        assert done.returncode == 0, done.stderr
    return lab


@contextlib.contextmanager
def bench(data: Path, place: str = "", speed: float = 60.0) -> Iterator[Bench]:
    """A bench of which nothing runs afterwards."""
    made = Bench(data, place, speed)
    try:
        yield made
    finally:
        made.close()
