"""A whole lab in processes of its own, each of which can be killed: broker, instruments, controller, database.

The controller and the simulation are `labwright campaign run` and `labwright simulate`, called in children of a fork
server, which has imported them once: so a start costs tenths of a second, and a kill is a SIGKILL.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import orjson

from labwright.engine.auditing import audit
from labwright.engine.recovery import unfinished
from labwright.journal import Journal, journal_file, schema
from labwright.model.errors import JournalError
from tests.forks import forks

LAB = Path(__file__).parents[1] / "labs" / "fourways"
SPEED = 20.0
START_S = 30.0
LOOK_S = 0.25
"""How often the operator looks for questions; each look opens the journal anew."""

CONTAINERS = {"doser": "dye_1", "pump": "water_1", "dumb": "acid_1"}
"""What each dispenser takes from."""

ROUNDING_NL = 1
"""A dose in the ledger and in an instrument's log is rounded to whole nanolitres by each for itself."""

Victim = str
"""controller, simulation, broker, database; or the clock, which only jumps."""


@dataclass(frozen=True)
class Kill:
    """Where somebody dies.

    Attributes:
        boundary: beginning of its name: ``before intent:turn``, ``after event:step_ended``, ``middle of pump``.
        victim: who.
        nth: how often the boundary is passed before.
    """

    boundary: str
    victim: Victim = "controller"
    nth: int = 1


class _Boundaries:
    """In a controller's process: counts boundaries, and kills at those that are meant, one after the other."""

    def __init__(self, kills: Sequence[Kill], harness: Connection) -> None:
        self._kills = list(kills)
        self._harness = harness
        self._passed = 0
        self._lock = threading.Lock()

    def passed(self, name: str) -> None:
        with self._lock:
            if not self._kills or not name.startswith(self._kills[0].boundary):
                return
            self._passed += 1
            if self._passed < self._kills[0].nth:
                return
            victim, self._passed = self._kills.pop(0).victim, 0
            if victim == "controller":
                os.kill(os.getpid(), signal.SIGKILL)
            if victim == "clock":  # set back by an hour; a fake, because it is the whole machine's
                real = time.time
                time.time = lambda: real() - 3600.0
                return
            self._harness.send((name, victim))
            self._harness.recv()  # until the victim is dead, and up again

    def install(self) -> None:
        from labwright.hardware.acts import Act
        from labwright.journal.writer import Writer

        def commit(when: str, label: str) -> None:
            for one in label.split(" "):
                self.passed(f"{when} {one}")

        Writer.on_commit = staticmethod(commit)
        start, sleep = Act.start, Act.sleep

        def started(act: Act, status: Any, work: Callable[[Act], None], failed: Callable[[], None]) -> None:
            device = act.what.partition(".")[0]

            def whole(one: Act) -> None:
                self.passed(f"begin of {device}")
                work(one)
                self.passed(f"end of {device}")

            start(act, status, whole, failed)

        def slept(act: Act, seconds: float) -> None:
            self.passed(f"middle of {act.what.partition('.')[0]}")
            sleep(act, seconds)

        Act.start, Act.sleep = started, slept  # type: ignore[method-assign,assignment]


def _quiet(log: Path) -> None:
    """Output into a file; a pytest worker's own must not be written to."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: nothing of the lab outlives its test
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1)
    sys.stderr = os.fdopen(2, "w", buffering=1)


def _control(
    lab: Path, data: Path, place: str, name: str, budget: int | None, kills: Sequence[Kill], harness: Connection
) -> None:
    _quiet(data / "controller.log")
    import labwright.cli.output
    from labwright.cli.running import RunOptions, run_campaign
    from labwright.model.errors import LabwrightError

    labwright.cli.output.console.file = sys.stderr
    _Boundaries(kills, harness).install()
    options = RunOptions(
        data=data, endpoints=data / "endpoints.json", store=False, journal=place, by="kill matrix", budget=budget,
    )  # fmt: skip
    try:
        code = run_campaign(lab, name, options)
    except LabwrightError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        code = error.exit_code
    sys.stderr.flush()
    os._exit(code)


def _control_many(
    lab: Path,
    data: Path,
    place: str,
    campaigns: int,
    budget: int,
    parallel: int,
    kills: Sequence[Kill],
    harness: Connection,
) -> None:
    """A controller of several campaigns of the same name, told apart by their seeds, until all are over."""
    _quiet(data / "controller.log")
    from labwright.cli.simulating import opened
    from labwright.engine import LabController, load_campaign, resume_campaign, started
    from labwright.engine.lifecycle import take_up
    from labwright.model.errors import LabwrightError

    _Boundaries(kills, harness).install()
    code = 0
    try:
        with (
            opened(lab, simulated=False, endpoints=data / "endpoints.json", speed=1.0, seed=0) as (folder, there, _),
            Journal(place) as journal,
        ):
            journal.claim()
            begun = {started(journal, one).spec.seed for one in journal.campaigns()}
            taken = take_up(journal, there.instruments)
            resume = {one: resume_campaign(folder, first) for one, first in taken.resume.items()}
            with there.opened(undisturbed=bool(resume)):
                controller = LabController(there, journal, data, by="kill matrix", resume=resume)
                path = lab / "lab_config" / "campaigns" / "ways.yaml"
                for seed in range(1, campaigns + 1):
                    if seed not in begun:
                        wanted: dict[str, Any] = {"budget": budget, "seed": seed, "parallel": parallel}
                        controller.start(load_campaign(folder, path, simulated=True, **wanted))
                controller.run(lambda: controller.all_over)
    except LabwrightError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        code = error.exit_code
    sys.stderr.flush()
    os._exit(code)


def _simulate(lab: Path, data: Path, seed: int) -> None:
    _quiet(data / "simulation.log")
    from labwright.cli.simulating import serve

    serve(
        lab, speed=SPEED, seed=seed, endpoints=data / "endpoints.json", state=data / "state",
        effects=data / "effects.jsonl",
    )  # fmt: skip


def _broker(data: Path, tcp_port: int) -> None:
    _quiet(data / "broker.log")
    from labwright.hardware import EmbeddedBroker

    EmbeddedBroker(tcp_port).start()
    signal.pause()


@dataclass
class Bench:
    """The processes around one journal.

    Attributes:
        data: folder of everything.
        place: the journal.
        database: started and killed, if the journal is in PostgreSQL.
        kills: who was killed, where.
        asked: questions that were answered, by device.
        answers: what to answer where it is offered, before what has really happened is looked at.
        offered: the answers that each question offered, with what each means.
        controller: number of the newest controller's process.
    """

    data: Path
    place: str
    database: Any = None
    kills: list[tuple[Victim, str]] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    answers: Sequence[str] = ()
    offered: dict[str, dict[str, str]] = field(default_factory=dict)
    controller: int | None = None
    _processes: dict[str, Any] = field(default_factory=dict)

    def open(self, seed: int = 1, ml_per_min: float = 10.0) -> None:
        """Start broker and simulation, with a pump of this rate."""
        self.lab = self.data / "lab"
        shutil.copytree(LAB, self.lab)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._tcp_port = probe.getsockname()[1]
        devices = self.lab / "lab_config" / "devices.yaml"
        devices.write_text(
            devices.read_text()
            .replace("{type: mqtt,", f"{{type: mqtt, host: 127.0.0.1, tcp_port: {self._tcp_port},")
            .replace("rate_ml_per_min: 10", f"rate_ml_per_min: {ml_per_min:g}")
        )
        self._seed = seed
        self.start("broker")
        self.start("simulation")

    def close(self) -> None:
        """Kill all."""
        for name in list(self._processes):
            self.kill(name)

    def start(self, name: str) -> None:
        """Start the broker or the simulation, and wait until it answers."""
        if name == "database":
            self.database.start()
            return
        if name == "broker":
            process = forks.Process(target=_broker, args=(self.data, self._tcp_port), daemon=True)
            process.start()
            until(lambda: _listens(self._tcp_port), "the broker listens")
        else:
            (self.data / "endpoints.json").unlink(missing_ok=True)
            process = forks.Process(target=_simulate, args=(self.lab, self.data, self._seed), daemon=True)
            process.start()
            until((self.data / "endpoints.json").exists, "the simulation has written its addresses")
        self._processes[name] = process

    def kill(self, name: str) -> None:
        """SIGKILL."""
        if name == "database":
            self.database.kill()
            return
        process = self._processes.pop(name)
        os.kill(process.pid, signal.SIGKILL)
        process.join()

    def fault(self, device: str, kind: str, **more: Any) -> None:
        """Put a fault on an instrument."""
        self._ask_simulation({"op": "fault", "device": device, "kind": kind, **more})

    def clear_faults(self) -> None:
        """Take all faults off."""
        self._ask_simulation({"op": "clear"})

    def _ask_simulation(self, request: dict[str, Any]) -> None:
        from labwright.simulation.control import ask

        ask(json.loads((self.data / "endpoints.json").read_text())["control"], request)

    def said(self) -> str:
        """What the controllers said."""
        return (self.data / "controller.log").read_text()

    def run(self, *kills: Kill, budget: int | None = None, name: str = "ways") -> int:
        """A controller, until it has ended or was killed; the exit code, negative for a signal."""
        cut_off = self.cut_off()
        wanted = None if cut_off else budget
        return self._run(_control, kills, name, wanted)

    def run_many(self, *kills: Kill, campaigns: int, budget: int, parallel: int = 1) -> int:
        """As `run`, with several campaigns at once: those that were begun go on, the others begin."""
        return self._run(_control_many, kills, campaigns, budget, parallel)

    def _run(self, control: Callable[..., None], kills: Sequence[Kill], *what: Any) -> int:
        here, there = forks.Pipe()
        process = forks.Process(
            target=control, args=(self.lab, self.data, self.place, *what, kills, there), daemon=True
        )
        process.start()
        self.controller = process.pid
        there.close()
        looked_s = time.monotonic()
        while process.is_alive():
            if here.poll(0.05):
                with contextlib.suppress(EOFError):
                    boundary, victim = here.recv()
                    self.kill(victim)
                    self.start(victim)
                    self.kills.append((victim, boundary))
                    here.send("go on")
            if time.monotonic() - looked_s >= LOOK_S:
                self.answer_questions()
                looked_s = time.monotonic()
        process.join()
        here.close()
        if process.exitcode == -signal.SIGKILL:
            self.kills.append(("controller", kills[0].boundary))
        return int(process.exitcode or 0)

    def zombie(self) -> tuple[int, str]:
        """A second controller beside the first: exit code, and what it said."""
        here, there = forks.Pipe()
        (self.data / "zombie").mkdir(exist_ok=True)
        shutil.copy(self.data / "endpoints.json", self.data / "zombie" / "endpoints.json")
        process = forks.Process(
            target=_control, args=(self.lab, self.data / "zombie", self.place, "ways", None, (), there), daemon=True
        )
        process.start()
        process.join(START_S)
        here.close()
        return int(process.exitcode or 0), (self.data / "zombie" / "controller.log").read_text()

    def journal(self) -> Journal:
        """To be read."""
        return Journal(self.place)

    def rows(self, table: Any) -> Any:
        """All rows of a table of the journal."""
        with self.journal() as journal:
            return journal.rows(table)

    def cut_off(self) -> str | None:
        """The campaign that is not over; None as well while the journal cannot be read."""
        with contextlib.suppress(JournalError), self.journal() as journal:
            return unfinished(journal, "ways")
        return None

    def over(self) -> int:
        """How many campaigns have ended."""
        with contextlib.suppress(JournalError), self.journal() as journal:
            return len([row for row in journal.rows(schema.campaign) if row["ended_s"] is not None])
        return 0

    def effects(self) -> list[dict[str, Any]]:
        """What the instruments have done, by their own log."""
        path = self.data / "effects.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def given_ul(self) -> dict[str, float]:
        """What came out of each dispenser, by the simulated world."""
        kept: dict[str, Any] = json.loads((self.data / "state" / "_world.json").read_text())
        given: dict[str, float] = kept["given"]
        return given

    def answer_questions(self) -> None:
        """The operator: looks at what has really happened, and says so."""
        with contextlib.suppress(JournalError), self.journal() as journal:
            asked = schema.question
            for row in journal.rows(asked, asked.c.state == "open"):
                taken = schema.command
                if journal.rows(taken, taken.c.payload.contains(row["id"]), taken.c.taken_s.is_(None)):
                    continue
                time.sleep(0.2)  # what was sent before the crash has arrived by now
                intents = journal.rows(schema.intent, schema.intent.c.step_id == row["step_id"])
                if not intents:  # it failed before it had begun anything
                    answer = "again"
                else:
                    choices = self.offered[row["text"]] = json.loads(row["choices"])
                    happened = "done" in choices and self._happened(journal, intents[-1])
                    wanted = [answer for answer in self.answers if answer in choices]
                    answer = wanted[0] if wanted else "done" if happened else "again"
                    self.asked[intents[-1]["device"]] += 1
                payload = {"question": row["id"], "answer": answer}
                journal.command(row["campaign"], "answer", payload, by="operator", because="looked at the beaker")

    def _happened(self, journal: Journal, intent: Any) -> bool:
        table = schema.intent
        confirmed = journal.rows(table, table.c.device == intent["device"], table.c.state == "confirmed")
        kind = {"dumb": "squirt", "pump": "run", "doser": "dose", "meter": "measure", "valve": "turn"}[intent["device"]]
        return len([one for one in self.effects() if one["effect"] == kind]) > len(confirmed)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for it."""
    deadline = time.monotonic() + START_S
    while not condition():
        assert time.monotonic() < deadline, f"not within {START_S:g} s: {what}"
        time.sleep(0.01)


def _listens(tcp_port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", tcp_port), 1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def bench(
    data: Path, place: str = "", database: Any = None, seed: int = 1, ml_per_min: float = 10.0
) -> Iterator[Bench]:
    """A lab, up and running; all of it is killed at the end."""
    data.mkdir(parents=True, exist_ok=True)
    one = Bench(data, place or str(journal_file(data)), database)
    one.open(seed, ml_per_min)
    try:
        yield one
    finally:
        one.close()


def assert_books(one: Bench) -> None:
    """At any moment the ledger adds up, and instruments have given what is confirmed, and at most what is in doubt.

    Compared are their own logs. What a step under way has taken is in the ledger when it ends.
    """
    with one.journal() as journal:
        decks = {str(row["instruments"]) for row in journal.rows(schema.stock)}
        if not decks:
            return  # it died before the deck was filled
        (deck,) = decks
        assert audit(journal, deck) == []
        stocks = {row["name"]: row for row in journal.rows(schema.stock)}
        intents = journal.rows(schema.intent)
    logged = Counter[str]()
    for effect in one.effects():
        logged[effect["device"]] += round(1000 * effect.get("volume_ul", 0.0))
    for device, container in CONTAINERS.items():
        mine = [row for row in intents if row["device"] == device]
        confirmed = sum(row["amount"] for row in mine if row["state"] == "confirmed")
        doubtful = sum(row["amount"] for row in mine if row["state"] in ("prepared", "unknown"))
        booked = stocks[container]["used"]
        slack = ROUNDING_NL * len(mine)
        assert booked <= confirmed, f"{container}: {booked} nl are booked, {confirmed} nl are confirmed"
        assert logged[device] >= confirmed - slack, f"{device} gave {logged[device]} nl, {confirmed} are confirmed"
        assert logged[device] <= confirmed + doubtful + slack, f"{device} gave {logged[device]} nl of {confirmed}"


def assert_booked(one: Bench) -> None:
    """When all is over: the ledger has each nanolitre that the instruments have logged, and nothing is in doubt."""
    assert_books(one)
    logged, asked = Counter[str](), Counter[str]()
    for effect in one.effects():
        logged[effect["device"]] += round(1000 * effect.get("volume_ul", 0.0))
    for row in one.rows(schema.intent):
        asked[row["device"]] += row["state"] == "confirmed"
    for row in one.rows(schema.stock):
        (device,) = (name for name, container in CONTAINERS.items() if container == row["name"])
        assert (row["unknown"], row["reserved"]) == (0, 0), row["name"]
        assert abs(row["used"] - logged[device]) <= ROUNDING_NL * asked[device], (
            f"{row['name']}: {row['used']} nl by the ledger, {logged[device]} nl by {device}"
        )


def assert_once(one: Bench, *, exact: bool = True) -> int:
    """Every operation of every experiment happened once, every reading was kept; the number of experiments.

    Args:
        one: whose campaigns are over.
        exact: whether no instrument has lost its power, so that nothing can be half done.
    """
    with one.journal() as journal:
        table = schema.experiment
        told = journal.rows(table, table.c.state == "complete")
        others = journal.rows(table, table.c.state != "complete")
        assert not others, [dict(row) for row in others]
        intents = journal.rows(schema.intent)
        seen = schema.observation
        readings = [orjson.loads(row["reading"]) for row in journal.rows(seen, seen.c.superseded.is_(False))]
        measured = journal.rows(schema.trial, schema.trial.c.status == "done")
    left = [dict(row) for row in intents if row["state"] not in ("confirmed", "absent")]
    assert not left, left
    effects = Counter(effect["effect"] for effect in one.effects())
    count = len(told)
    for kind in ("dose", "measure"):
        ids = [effect["id"] for effect in one.effects() if effect["effect"] == kind]
        assert len(ids) == len(set(ids)), f"one command was acted on twice: {ids}"
    if exact:
        wanted = dict.fromkeys(("dose", "run", "squirt", "measure"), count)
        assert {kind: effects[kind] for kind in wanted} == wanted
    given = one.given_ul()
    for device in ("doser", "pump", "dumb"):
        confirmed = [row for row in intents if row["device"] == device and row["state"] == "confirmed"]
        operations = {(row["step_id"], row["n"]) for row in confirmed}  # one may have been done in parts
        assert len(operations) == count, f"{device}: {len(operations)} operations for {count} experiments"
        wanted_ul = sum(row["value"] for row in confirmed)
        assert given[device] <= wanted_ul + 2.0 * count, f"{device} gave {given[device]:g} of {wanted_ul:g} ul"
        if exact:
            assert given[device] >= wanted_ul - 2.0 * count, f"{device} gave only {given[device]:g} of {wanted_ul:g} ul"
    found = sorted(one["meter_y"]["value"] for one in readings if "meter_y" in one)
    trials = sorted(json.loads(row["trial"])["outcomes"]["y"]["mean"] for row in measured)
    assert found == trials, "a reading was lost"
    return count
