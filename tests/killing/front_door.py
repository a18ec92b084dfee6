"""A served lab whose service and controller are killed while people ask, review, answer and are answered.

The instruments are a process of their own (`labwright simulate`), so they outlive the controller; the service is one of
its own, too (`labwright serve --controller`), so each can be killed alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from labwright.journal import Journal, journal_file
from labwright.service.database import Door, door_place
from labwright.service.desk.quotas import set_quota
from labwright.service.people import add_person, add_project, join, make_key
from tests.forks import Started, start
from tests.postgres import free_port

LAB = Path(__file__).parents[1] / "labs" / "handwork"
READ = {"torque": 1.2, "rim": "even", "leaks": False, "remark": "fine"}
LASTS_S = 90.0
"""Wall seconds after which a client gives up: then something was lost."""

Victim = str
"""``service`` or ``controller``."""


@dataclass
class House:
    """The processes around one lab.

    Attributes:
        data: folder of everything.
        port: of the service.
        keys: of people, by name.
        killed: how often each was killed.
    """

    data: Path
    port: int
    keys: dict[str, str] = field(default_factory=dict)
    killed: dict[Victim, int] = field(default_factory=lambda: {"service": 0, "controller": 0})
    _processes: dict[str, Started] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def journal(self) -> Path:
        """The file."""
        return journal_file(self.data)

    def open(self) -> None:
        """Start everything, and let people in."""
        self.data.mkdir(parents=True, exist_ok=True)
        endpoints = ("--endpoints", self.data / "endpoints.json")
        self._start(
            "instruments", "simulate", "--lab", LAB, "--speed", "100", *endpoints, "--state", self.data / "state"
        )
        wait_for(lambda: (self.data / "endpoints.json").exists())
        self.start("controller")
        wait_for(self.journal.exists)
        wait_for(self._controlled)
        with Door(door_place(self.journal)) as door, door.writing() as connection:
            add_project(connection, "solar", "Solar")
            set_quota(connection, "solar", {"experiments": 1000.0})
            for name, roles in (("ada", ()), ("tom", ["operator"]), ("sam", ["safety_reviewer"])):
                add_person(connection, name, roles=roles)  # type: ignore[arg-type]
                self.keys[name] = make_key(connection, name, "test").secret
            join(connection, "solar", "ada", "requester")
        self.start("service")

    def start(self, victim: Victim) -> None:
        """Start one that can be killed."""
        data = ("--data", self.data)
        if victim == "controller":
            endpoints = ("--endpoints", self.data / "endpoints.json")
            self._start("controller", "serve", LAB, *data, *endpoints, "--no-store", "--no-http", "--by", "test")
        else:
            self._start("service", "serve", LAB, "--controller", self.data, "--port", str(self.port))

    def kill(self, victim: Victim) -> None:
        """SIGKILL, and start it again at once."""
        with self._lock:
            process = self._processes.pop(victim)
            for child in _tree(process.pid):  # with SIGKILL its children would outlive it for a moment
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            process.wait(30)
            self.killed[victim] += 1
            self.start(victim)

    def close(self) -> None:
        """End everything."""
        for name in ("service", "controller", "instruments"):
            if (process := self._processes.pop(name, None)) is not None:
                process.send_signal(signal.SIGTERM)
                process.wait(60)

    def _controlled(self) -> bool:
        with Journal.reading(self.journal) as journal:
            return journal.controlled()

    def _start(self, name: str, *words: str | Path) -> None:
        with (self.data / f"{name}.log").open("a") as log:
            self._processes[name] = start(*words, stdout=log.fileno(), stderr=log.fileno())


@dataclass
class Person:
    """A client that sends again what was not answered, with the same key.

    Attributes:
        url: of the service.
        key: of the person.
    """

    url: str
    key: str

    def ask(self, method: str, path: str, body: Any = None, key: str = "") -> httpx.Response:
        """The answer, whatever dies meanwhile."""
        ends_s = time.monotonic() + LASTS_S
        headers = {"Authorization": f"Bearer {self.key}", **({"Idempotency-Key": key} if key else {})}
        why: object = None
        while time.monotonic() < ends_s:
            try:
                answer = httpx.request(method, self.url + path, json=body, headers=headers, timeout=20)
            except httpx.TransportError as error:
                why = error
            else:
                again = answer.status_code in (429, 502, 503)
                if not again and not (answer.status_code == 409 and answer.json()["code"] == "in_progress"):
                    return answer
                why = answer.text
            time.sleep(0.05)
        raise AssertionError(f"{method} {path} was never answered: {why}")


def content(title: str) -> dict[str, Any]:
    """A request for one cell."""
    return {
        "project": "solar",
        "title": title,
        "protocol": {"name": "crimping", "version": "1"},
        "parameters": {"temperature": {"value": 40, "unit": "degC"}},
        "export_control": {"status": "not_controlled"},
        "terms": "1",
        "contact": "ada",
    }


@dataclass
class Lives:
    """Requests that people bring to their end.

    Attributes:
        house: the lab.
        asked: title of each request that was acknowledged, by its id.
        accepted: ids of those whose reviews were acknowledged.
        answered: the answer that was acknowledged, by question.
    """

    house: House
    asked: dict[str, str] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)
    answered: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def person(self, name: str) -> Person:
        """A client of a person's."""
        return Person(f"http://127.0.0.1:{self.house.port}", self.house.keys[name])

    def ask(self, who: int) -> None:
        """Ask for one experiment after another, and have each approved."""
        ada = self.person("ada")
        number = 0
        while not self.stop.is_set():
            number += 1
            title = f"request {number} of client {who}"
            draft = ada.ask("POST", "/v1/requests", content(title), f"{title}: draft")
            name = self._expect(draft, 201)["id"]
            self.asked[name] = title
            self._expect(ada.ask("POST", f"/v1/requests/{name}/submit", {}, f"{title}: submit"), 200)
            for reviewer, kind in (("tom", "technical"), ("sam", "safety")):
                one = self.person(reviewer)
                digest = one.ask("GET", f"/v1/requests/{name}").json()["digest"]
                body = {"kind": kind, "decision": "accept", "digest": digest, "because": "well"}
                self._expect(one.ask("POST", f"/v1/requests/{name}/reviews", body, f"{title}: {kind}"), 200)
            self.accepted.append(name)
            time.sleep(random.uniform(0.0, 0.5))  # noqa: S311 - no secret

    def answer(self, over: Callable[[], bool]) -> None:
        """Answer all questions, until everything is over."""
        tom = self.person("tom")
        tries = 0
        while not over():
            for one in tom.ask("GET", "/v1/questions").json()["items"]:
                task = one.get("kind") == "task"
                answer = (
                    "done" if task else next(word for word in ("again", "removed", "clear") if word in one["choices"])
                )
                body = {"answer": answer, "because": "seen", **({"readings": READ} if task else {})}
                tries += 1
                key = hashlib.sha256(f"{one['id']} {tries}".encode()).hexdigest()
                found = tom.ask("POST", f"/v1/questions/{one['id']}/answer", body, key)
                if found.status_code == 202:
                    found = self._settled(tom, found.headers["location"])
                if found.status_code == 200 and found.json()["state"] == "done":
                    if one["id"] in self.answered:
                        self.wrong.append(f"{one['id']} was answered twice")
                    self.answered[one["id"]] = answer
            time.sleep(0.1)

    def _settled(self, person: Person, path: str) -> httpx.Response:
        while (found := person.ask("GET", path)).status_code == 200 and found.json()["state"] == "waiting":
            time.sleep(0.1)
        return found

    def _expect(self, answer: httpx.Response, status: int) -> dict[str, Any]:
        if answer.status_code != status:
            self.wrong.append(f"{answer.request.url}: {answer.status_code} {answer.text}")
            raise AssertionError(self.wrong[-1])
        found: dict[str, Any] = answer.json()
        return found


def wait_for(holds: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until something is so."""
    ends_s = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends_s, "it never was so"
        time.sleep(0.05)


@contextlib.contextmanager
def opened(data: Path) -> Iterator[House]:
    """A lab with all its processes, until the test has ended."""
    house = House(data, free_port())
    try:
        house.open()
        yield house
    finally:
        house.close()


def _tree(process: int) -> list[int]:
    """A process and all that it has started, the youngest first."""
    found, new = list[int](), [process]
    while new:
        found += new
        children = []
        for one in new:
            with contextlib.suppress(FileNotFoundError):
                for path in Path(f"/proc/{one}/task").glob("*/children"):
                    children += [int(child) for child in path.read_text().split()]
        new = children
    return found[::-1]
