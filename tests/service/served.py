"""A lab that is served: its controller and the service beside it, as two processes, as a user has them."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from labwright.journal import journal_file
from labwright.service.database import Door, door_place
from labwright.service.people import add_person, add_project, join, make_key
from labwright.service.rights import Role
from tests.forks import Started, labwright, start

LISTENS = re.compile(r"service listens on (\S+)")
KEY = re.compile(r"^\s*(lw_\S+)$")


@dataclass
class Served:
    """What a test has of it.

    Attributes:
        lab: its folder.
        data: where it keeps what it records.
        controller: the process.
        url: of the service, once it listens.
        admin: the first key.
        said: the controller's lines.
    """

    lab: Path
    data: Path
    controller: Started
    url: str = ""
    admin: str = ""
    said: list[str] = field(default_factory=list)
    _told: threading.Condition = field(default_factory=threading.Condition)

    def hear(self) -> None:
        """Read what the controller says, to its end."""
        assert self.controller.stderr is not None
        for line in self.controller.stderr:
            with self._told:
                self.said.append(line)
                if found := LISTENS.search(line):
                    self.url = found[1]
                if found := KEY.match(line):
                    self.admin = found[1]
                self._told.notify_all()

    def until(self, holds: Callable[[], object]) -> None:
        """Wait until something is so, looked at with each line that the controller says."""
        with self._told:
            assert self._told.wait_for(holds, 60), "".join(self.said)

    def client(self, key: str | None = None, **more: Any) -> httpx.Client:
        """A client with a key: the first admin's, if none is given."""
        headers = {"Authorization": f"Bearer {self.admin if key is None else key}"} if key != "" else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, **more)

    def person(self, name: str, *roles: Role, project: str = "") -> str:
        """A key of a new person with these roles, in a project if it is named."""
        with Door(door_place(journal_file(self.data))) as door, door.writing() as connection:
            add_person(connection, name, roles=() if project else roles)
            if project:
                with contextlib.suppress(Exception):
                    add_project(connection, project, project)
                for role in roles:
                    join(connection, project, name, role)
            return make_key(connection, name, "test").secret

    def submitted(self, budget: int) -> str:
        """A campaign that was handed to the controller; its id."""
        done = labwright(
            *("campaign", "submit", "first", "--lab", self.lab, "--data", self.data, "--budget", str(budget)),
            *("--planner", "random", "--simulated", "--by", "Ann", "--json"),
        )
        assert done.returncode == 0, done.stderr
        return str(re.findall(r'"campaign":\s*"([^"]+)"', done.stdout)[0])


@contextlib.contextmanager
def serving(lab: Path, data: Path, *words: str, endpoints: Path | None = None) -> Iterator[Served]:
    """A controller with its service on a free port, until the test has ended; on these instruments, or on its own."""
    instruments = ("--simulated",) if endpoints is None else ("--endpoints", str(endpoints))
    controller = start("serve", lab, "--data", data, "--no-store", "--port", "0", *instruments, *words)
    one = Served(lab, data, controller)
    ear = threading.Thread(target=one.hear, daemon=True)
    ear.start()
    try:
        one.until(lambda: one.url)
        yield one
    finally:
        controller.send_signal(signal.SIGTERM)
        controller.wait(60)
        ear.join(10)
        for stream in (controller.stdout, controller.stderr):
            assert stream is not None
            stream.close()


def once() -> dict[str, str]:
    """The header of a request that is asked for the first time."""
    return {"Idempotency-Key": str(uuid.uuid4())}
