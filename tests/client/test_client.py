"""The Python client, against the service's own process: what is lost on the way, keys, certificates, events."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labwright.cli.init import make_lab
from labwright.client import (
    Client,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    StaleError,
    UnreachableServiceError,
)
from labwright.journal import Journal, journal_file, schema
from labwright.model.errors import ConfigError, RefusedError
from labwright.service.process import BOUND
from labwright.service.settings import ServiceSettings
from tests.forks import labwright
from tests.service.served import Served, serving
from tests.service.test_admin import alone_in


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def again(data: Path, port: int) -> Iterator[None]:
    """The service of a data folder once more."""
    settings = ServiceSettings(root=data, data=data, journal=str(data / "journal.sqlite"), port=port)
    words = [sys.executable, "-m", "labwright.service"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(settings.model_dump_json() + "\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith(BOUND)
        yield
        process.kill()


def test_a_service_that_is_killed_between_two_calls_is_waited_for(tmp_path: Path) -> None:
    port = free_port()
    with alone_in(tmp_path, port=port) as first, Client(first.url, first.key) as client:
        client.people.add("ann", roles=["viewer"])
        first.process.kill()
        first.process.wait()
        done = threading.Thread(target=client.people.add, args=("bo",))
        done.start()
        with again(tmp_path, port):
            done.join(20)
            assert not done.is_alive()
            assert [one.id for one in client.people.list()] == ["admin", "ann", "bo"]
            assert client.people.show("ann").roles == ["viewer"]


class Lossy:
    """A line to a service that takes requests, and loses the first answers to what changes something."""

    def __init__(self, port: int, losses: int) -> None:
        self._port, self._losses = port, losses
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.lost = 0
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                threading.Thread(target=self._pass, args=(near,), daemon=True).start()

    def _pass(self, near: socket.socket) -> None:
        far = socket.create_connection(("127.0.0.1", self._port))
        posted = threading.Event()
        threading.Thread(target=self._answers, args=(far, near, posted), daemon=True).start()
        with near, far, contextlib.suppress(OSError):
            while asked := near.recv(1 << 16):
                if asked.startswith(b"POST"):
                    posted.set()
                far.sendall(asked)

    def _answers(self, far: socket.socket, near: socket.socket, posted: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while answer := far.recv(1 << 16):
                if posted.is_set() and self.lost < self._losses:
                    self.lost += 1
                    near.shutdown(socket.SHUT_RDWR)
                    return
                near.sendall(answer)


def test_what_is_done_and_whose_answer_is_lost_is_done_once(tmp_path: Path) -> None:
    with alone_in(tmp_path) as service:
        line = Lossy(int(service.url.rpartition(":")[2]), losses=2)
        with Client(line.url, service.key) as client:
            client.people.add("ann")
            assert line.lost == 2
            assert [row["allowed"] for row in client.audit.list() if row["target"] == "person/ann"] == [True]
            with pytest.raises(ConflictError, match="there is a 'ann' already"):
                client.people.add("ann")
        line.close()


def test_problems_are_errors_that_carry_what_was_said(tmp_path: Path) -> None:
    with alone_in(tmp_path) as service:
        with Client(service.url, service.key) as admin:
            with pytest.raises(NotFoundError, match="there is no 'stranger'") as missing:
                admin.people.show("stranger")
            assert (missing.value.code, missing.value.status, missing.value.exit_code) == ("not_found", 404, 3)
            assert len(missing.value.trace) == 32
            with pytest.raises(InvalidError, match="/roles/0: ") as wrong:
                admin.people.add("bo", roles=["boss"])
            assert wrong.value.errors[0]["code"] == "literal_error"
            assert isinstance(wrong.value.plain(), ConfigError)
            admin.people.add("bo")
            with pytest.raises(StaleError, match="it has changed"):
                admin.people.set_roles("bo", ["viewer"], version='"old"')
            admin.people.begin("solar", "Solar cells")
            admin.people.join("solar", "bo", "requester")
            assert [one.members[0]["id"] for one in admin.people.projects()] == ["bo"]
            assert admin.me().roles == ["admin"]
        with Client(service.url, "lw_nothing") as stranger, pytest.raises(ForbiddenError) as refused:
            stranger.lab.status()
        assert (refused.value.code, refused.value.exit_code) == ("unauthenticated", 5)


def test_a_key_comes_from_a_file_that_others_cannot_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "key"
    file.write_text("lw_00000000_x\n")
    file.chmod(0o644)
    monkeypatch.setenv("LABWRIGHT_URL", "http://127.0.0.1:1")
    monkeypatch.delenv("LABWRIGHT_KEY", raising=False)
    with pytest.raises(RefusedError, match=r"mode 0644.*chmod 600"):
        Client(key_file=file)
    with pytest.raises(ConfigError, match="no key is given"):
        Client()
    file.chmod(0o600)
    for words in (str(file), "lw_00000000_x"):
        monkeypatch.setenv("LABWRIGHT_KEY", words)
        with Client(patience_s=0.1) as client, pytest.raises(UnreachableServiceError, match="no service answers"):
            client.me()
        with Client(patience_s=0.1) as client, pytest.raises(UnreachableServiceError, match="done is not known"):
            client.people.add("ann")
    file.write_text("a key\n")
    with pytest.raises(ConfigError, match="must hold one key"):
        Client(key_file=file)
    with pytest.raises(ConfigError, match="no URL of a service"):
        Client("127.0.0.1:8765", "lw_x")


def test_a_certificate_is_believed_only_if_it_is_given(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, check=True, capture_output=True)
    with alone_in(tmp_path, certificate=certificate, private_key=key) as one:
        for verify in (certificate, ssl.create_default_context(cafile=certificate)):
            with Client(one.url, one.key, verify=verify) as client:
                assert client.me().id == "admin"
        began_s = time.monotonic()
        with Client(one.url, one.key) as client, pytest.raises(UnreachableServiceError, match="CERTIFICATE"):
            client.me()
        assert time.monotonic() - began_s < 5, "it is not tried again: the same would come of it"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("labs") / "mine"
    make_lab(folder)
    file = folder / "lab_config" / "lab.yaml"
    file.write_text(file.read_text().replace("hold_s: 60", "hold_s: 5"))
    with serving(folder, folder / "var", "--speed", "100", "--port", str(free_port())) as one:
        yield one


def service_pid(served: Served) -> int:
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == served.controller.pid and b"labwright.service" in (entry / "cmdline").read_bytes():
                return int(entry.name)
    raise AssertionError("no service runs")


def test_a_campaign_is_handed_over_followed_steered_and_read(served: Served) -> None:
    with Client(served.url, served.person("oda", "operator")) as oda:
        campaign = oda.campaigns.submit("first", budget=20, planner="random", seed=3)
        assert oda.campaigns.pause(campaign, "lunch").state == "done"
        assert oda.campaigns.show(campaign).paused
        oda.campaigns.resume(campaign, "back")
        assert oda.campaigns.suggest(campaign, {"temperature": 40.0}, "look")
        kinds = []
        for event in oda.campaigns.follow(campaign):
            kinds.append(event.kind)
            if event.kind == "step_ended" and "drain_asked" not in kinds and kinds.count("step_ended") == 1:
                oda.campaigns.drain(campaign, "enough")
        assert kinds[0] == "started"
        assert "drain_asked" in kinds
        shown = oda.campaigns.show(campaign)
        assert shown.state == "completed"
        table = oda.experiments("first")
        done = table[table.status == "done"]
        assert len(done) == shown.tried >= 1
        assert {"temperature", "glow", "glow_sem"} <= set(table.columns)
        assert done.glow.notna().all()
        assert oda.lab.controller().startswith(f"process {served.controller.pid} ")


def test_events_come_without_a_gap_although_the_service_is_killed(served: Served) -> None:
    with Client(served.url, served.person("eve", "operator")) as eve:
        since = int(eve.lab.status()["last_event"])
        campaign = eve.campaigns.submit("first", budget=40, planner="random")
        ids: list[int] = []
        killed = False
        for event in eve.events(since):
            ids.append(event.id)
            if len(ids) == 4 and not killed:
                killed = True
                os.kill(service_pid(served), signal.SIGKILL)
            if killed and len(ids) > 6:
                break
        eve.campaigns.stop(campaign, "seen enough")
    with Journal.reading(journal_file(served.data)) as journal:
        table = schema.event
        rows = journal.rows(table, table.c.id > since, table.c.id <= ids[-1], order=table.c.id)
    assert ids == [row["id"] for row in rows]


def test_what_is_named_counts_more_than_the_environment(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABWRIGHT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("LABWRIGHT_KEY", "lw_00000000_x")
    assert labwright("campaign", "list", "--data", served.data).returncode == 0
    both = labwright("campaign", "list", "--data", served.data, "--url", served.url)
    assert (both.returncode, "give one of both" in both.stderr) == (3, True)
    monkeypatch.setenv("LABWRIGHT_URL", served.url)
    refused = labwright("status", "--json")
    assert (refused.returncode, "this key opens nothing" in refused.stderr) == (5, True)
