"""Notices: what may be called, how it is signed, and that each arrives although its receiver was away."""

from __future__ import annotations

import contextlib
import http.server
import json
import signal
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

from labwright.model.desk import DeskPolicy, MailServer
from labwright.model.errors import CommunicationError, ConfigError, RefusedError
from labwright.service.database import Door
from labwright.service.desk import requests
from labwright.service.desk.requests import By
from labwright.service.notices import calling, outbox
from labwright.service.notices import courier as courier_module
from labwright.service.notices.calling import Place, addresses, call, place_of, signature
from labwright.service.notices.courier import Courier, Rules
from labwright.service.notices.mailing import send
from labwright.service.people import add_person, add_project, is_address, join, principal_of
from labwright.service.schema import outbox as notices
from labwright.service.schema import principal, webhook
from tests.service.desk.asking import until_true

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - of the example in the specification


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_module, "LOOK_S", 0.05)


@dataclass
class Receiver:
    """A program that is called: answers with the first status that is left, then always with the last."""

    port: int = 0
    answers: list[int] = field(default_factory=lambda: [200])
    got: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            one.got.append(({k.lower(): v for k, v in self.headers.items()}, json.loads(body)))
            self.send_response(one.answers.pop(0) if len(one.answers) > 1 else one.answers[0])
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    one.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield one
    server.shutdown()
    server.server_close()


@pytest.fixture
def mailbox() -> Iterator[tuple[int, list[str]]]:
    """A server that takes mail, as RFC 5321 has it; its port, and what has come."""
    mails: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline():
                word = line.split()[0].upper() if line.split() else b""
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    lines = []
                    while (line := self.rfile.readline()) not in (b".\r\n", b""):
                        lines.append(line.decode())
                    mails.append("".join(lines))
                self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], mails
    server.shutdown()
    server.server_close()


def test_it_is_signed_as_the_specification_says() -> None:
    body = b'{"test": 2432232314}'
    signed = signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert signed == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "[::1]", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "0.0.0.0",  # noqa: S104
        "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1", "[fe80::1]", "[fc00::1]", "224.0.0.1", "100.64.0.1",
        "[2002:7f00:1::]", "255.255.255.255", "[::]",
    ],
)  # fmt: skip
def test_a_private_network_is_not_called(host: str) -> None:
    place = place_of(f"https://{host}/hook", ())
    with pytest.raises((RefusedError, CommunicationError), match=r"private network|has no address"):
        addresses(place, ())
    assert addresses(place_of("https://127.0.0.1/hook", ()), ["127.0.0.1"]) == ["127.0.0.1"]


@pytest.mark.parametrize("host", ["a..b", ".b", "a" * 64 + ".org"])
def test_a_name_that_no_host_has_is_refused_in_words(host: str) -> None:
    with pytest.raises(CommunicationError, match="has no address"):
        addresses(place_of(f"https://{host}/hook", ()), ())


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/", "ftp://example.org/", "file:///etc/passwd", "https://user:pw@example.org/", "https://",
        "https://example.org:99999/", "https://exa mple.org/", "https://example.org/\r\nX: y", "https://exämple.org/",
        "javascript:alert(1)", "https://example.org/#x", "//example.org/",
    ],
)  # fmt: skip
def test_what_is_no_url_of_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        place_of(url, ())


def test_a_redirect_is_not_followed_and_a_dead_port_is_said(receiver: Receiver) -> None:
    receiver.answers = [302]
    place = place_of(f"http://127.0.0.1:{receiver.port}/", ["127.0.0.1"])
    assert call(place, ["127.0.0.1"], SECRET, "m1", b"{}") == 302
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = Place(False, "127.0.0.1", free.getsockname()[1], "/")
        with pytest.raises(CommunicationError, match="Connection refused"):
            call(dead, ["127.0.0.1"], SECRET, "m1", b"{}")


def content(project: str) -> dict[str, Any]:
    return {"project": project, "title": "mine", "priority": "routine", "samples": []}


def subscribe(door: Door, receiver: Receiver, who: str, events: str = "[]") -> None:
    values = {"id": f"h-{who}", "principal": who, "url": f"http://127.0.0.1:{receiver.port}/", "secret": SECRET}
    with door.writing() as connection:
        connection.execute(sa.insert(webhook).values(**values, events=events, created_s=0.0, since=0))


class Fixed(Rules):
    """Rules that a test says."""

    def __init__(self, policy: DeskPolicy) -> None:
        super().__init__(None)
        self.policy = policy

    @property
    def now(self) -> DeskPolicy:
        return self.policy


@pytest.fixture
def people(door: Door) -> Door:
    with door.writing() as connection:
        for project, who in (("solar", "ada"), ("wind", "eve")):
            add_project(connection, project, project)
            add_person(connection, who, email=f"{who}@example.org")
            join(connection, project, who, "requester")
        add_person(connection, "tom", roles=["operator"], email="tom@example.org")
    return door


def test_each_event_arrives_once_to_those_who_may_see_it(
    people: Door, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "AGAIN_S", (0.0, 0.0, 0.0))
    receiver.answers = [503, 500, 200]  # away at first
    subscribe(people, receiver, "ada")
    courier = Courier(people, Fixed(DeskPolicy(webhook_hosts=("127.0.0.1",))))
    try:
        with people.writing() as connection:
            requests.create(connection, content("wind"), By("eve"))
            row = requests.create(connection, content("solar"), By("ada"))
            requests.end(connection, row, "cancel", By("ada"), "enough")
        until_true(lambda: len({one["webhook-id"] for one, _ in receiver.got}) == 2)
        until_true(lambda: not people.rows(sa.select(notices).where(notices.c.due_s.is_not(None))))
    finally:
        courier.close()
    got = [body["data"]["event"] for _, body in receiver.got]
    assert (len(got), set(got)) == (4, {2, 3})  # two tries came to nothing
    headers, body = next(one for one in receiver.got if one[1]["data"]["event"] == 3)
    assert (body["type"], body["data"]["request"], body["data"]["project"]) == ("request.cancel", "R2", "solar")
    raw = people.rows(sa.select(notices.c.body).where(notices.c.id == headers["webhook-id"]))[0]["body"].encode()
    signed = signature(SECRET, headers["webhook-id"], headers["webhook-timestamp"], raw)
    assert headers["webhook-signature"] == f"v1,{signed}"


def test_a_receiver_that_wants_no_more_is_called_no_more(people: Door, receiver: Receiver) -> None:
    receiver.answers = [410]
    subscribe(people, receiver, "ada", '["cancel"]')
    courier = Courier(people, Fixed(DeskPolicy(webhook_hosts=("127.0.0.1",))))
    try:
        with people.writing() as connection:
            row = requests.create(connection, content("solar"), By("ada"))
            requests.end(connection, row, "cancel", By("ada"), "enough")
        until_true(lambda: people.rows(sa.select(webhook.c.why))[0]["why"])
    finally:
        courier.close()
    assert [body["type"] for _, body in receiver.got] == ["request.cancel"]
    assert "410" in people.rows(sa.select(webhook.c.why))[0]["why"]


def test_people_are_told_by_mail_what_concerns_them(people: Door, mailbox: tuple[int, list[str]]) -> None:
    port, mails = mailbox
    server = MailServer(host="127.0.0.1", port=port, security="none", sender="lab@example.org", link="https://lab.org")
    courier = Courier(people, Fixed(DeskPolicy(mail=server)))
    try:
        until_true(lambda: outbox.put_mails(people, "") == 0)  # from now on
        with people.writing() as connection:
            row = requests.create(connection, {**content("solar"), "title": "Größe\u00a0= 1"}, By("ada"))
            row = requests.advance(connection, row, "submit", By("ada"))
            row = requests.advance(connection, row, "find_valid", By())
            requests.advance(connection, row, "ask", By("tom"), "Which solvent?\nBcc: all@example.org")
        until_true(lambda: len(mails) == 2)
        time.sleep(0.3)
    finally:
        courier.close()
    assert len(mails) == 2
    review = next(one for one in mails if "To: tom@example.org" in one)
    asked = next(one for one in mails if "To: ada@example.org" in one)
    assert "R1 (" in review
    assert "https://lab.org/v1/requests/R1" in review
    head, _, _ = asked.replace("\r\n", "\n").partition("\n\n")
    assert "Bcc" not in head
    assert "tom writes:" in asked


def test_a_line_break_in_a_head_sends_nothing(mailbox: tuple[int, list[str]]) -> None:
    port, mails = mailbox
    server = MailServer(host="127.0.0.1", port=port, security="none", sender="lab@example.org")
    with pytest.raises(CommunicationError):
        send(server, "ada@example.org", "one\nBcc: all@example.org", "text", "m1")
    assert mails == []


@pytest.mark.parametrize(
    "wrong",
    [
        "ada@", "@b.org", '"', "a@[", "a@[1.2.3.4]", "ada", "a@b@c", "a@b.org, e@b.org", "Ada <a@b.org>", "a b@c.org",
        "a@b..org", ".a@b.org", "ä@b.org", "a@ä.org", "a@b.org\n", '"a"@b.org', "a@-b.org", "a@" + "b" * 64,
        "a" * 65 + "@b.org", "a@" + "b." * 130 + "org",
    ],
)  # fmt: skip
def test_what_cannot_be_written_to_is_no_address(file_door: Door, wrong: str) -> None:
    assert not is_address(wrong)
    with pytest.raises(ConfigError, match="no mail address"), file_door.writing() as connection:
        add_person(connection, "ada", email=wrong)
    for right in ("ada@example.org", "ada.l+lab_1@mail.example-1.org", "root@localhost"):
        assert is_address(right)


def to_review(door: Door, title: str = "one") -> None:
    """A request that waits for its reviewers."""
    with door.writing() as connection:
        row = requests.create(connection, {**content("solar"), "title": title}, By("ada"))
        row = requests.advance(connection, row, "submit", By("ada"))
        requests.advance(connection, row, "find_valid", By())


def test_an_address_of_old_that_is_none_is_in_no_other_s_way(
    people: Door, mailbox: tuple[int, list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    port, mails = mailbox
    with people.writing() as connection:
        add_person(connection, "sam", roles=["safety_reviewer"], email="sam@example.org")
        connection.execute(sa.update(principal).where(principal.c.id == "tom").values(email="tom@"))
    server = MailServer(host="127.0.0.1", port=port, security="none", sender="lab@example.org")
    courier = Courier(people, Fixed(DeskPolicy(mail=server)))
    try:
        until_true(lambda: outbox.put_mails(people, "") == 0)
        to_review(people)
        until_true(lambda: len(mails) == 1)
        until_true(lambda: people.rows(sa.select(notices.c.id).where(notices.c.error != "")))
        to_review(people)
        until_true(lambda: len(mails) == 2)
    finally:
        courier.close()
    (wrong,) = people.rows(sa.select(notices).where(notices.c.error != ""))[:1]
    assert (wrong["mail_to"], "cannot be sent" in wrong["error"]) == ("tom@", True)
    assert any(one.exc_info for one in caplog.records)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_outside_of_a_notice_ends_the_process_to_be_started_again(file_door: Door) -> None:
    class Broken(Rules):
        @property
        def now(self) -> DeskPolicy:
            raise ZeroDivisionError

    asked_to_end = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: asked_to_end.set())
    try:
        courier = Courier(file_door, Broken(None))
        until_true(asked_to_end.is_set)
        courier.close()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_reviewers_of_one_project_get_its_notices_and_programs_none(people: Door) -> None:
    with people.writing() as connection:
        for who, project in (("kim", "solar"), ("lee", "wind")):
            add_person(connection, who, email=f"{who}@example.org")
            join(connection, project, who, "operator")
        add_person(connection, "bot", kind="agent", email="bot@example.org")
        join(connection, "solar", "bot", "agent")
    outbox.put_mails(people, "")
    to_review(people)
    outbox.put_mails(people, "")
    found = {one["mail_to"] for one in people.rows(sa.select(notices))}
    assert found == {"tom@example.org", "kim@example.org"}


@contextlib.contextmanager
def slow(first: bytes, every_s: float) -> Iterator[int]:
    """A receiver that sends its answer byte by byte, and never ends it; its port."""
    ended = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                self.request.recv(65536)
                self.request.sendall(first)
                while not ended.wait(every_s):
                    self.request.sendall(b"x")

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        ended.set()
        server.shutdown()
        server.server_close()


def test_an_answer_in_drops_has_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calling, "CALL_S", 0.5)
    began_s = time.monotonic()
    with slow(b"HTTP/1.1 200 OK\r\nX: ", 0.05) as port, pytest.raises(CommunicationError, match=r"within 0\.5 s"):
        call(Place(False, "127.0.0.1", port, "/"), ["127.0.0.1"], SECRET, "m1", b"{}")
    with slow(b"HTTP/1.1 204 OK\r\nConnection: close\r\n\r\n", 0.05) as port:
        assert call(Place(False, "127.0.0.1", port, "/"), ["127.0.0.1"], SECRET, "m1", b"{}") == 204
    with slow(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\nConnection: close\r\n\r\n", 0.05) as port:
        assert call(Place(False, "127.0.0.1", port, "/"), ["127.0.0.1"], SECRET, "m1", b"{}") == 200
    assert time.monotonic() - began_s < 5


def test_a_receiver_that_is_slow_keeps_neither_the_others_nor_the_end(
    people: Door, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier_module, "CLOSE_S", 0.2)
    with slow(b"HTTP/1.1 200 OK\r\nX: ", 0.1) as port:
        subscribe(people, Receiver(port), "ada")
        subscribe(people, receiver, "tom")
        courier = Courier(people, Fixed(DeskPolicy(webhook_hosts=("127.0.0.1",))))
        for title in ("one", "two", "three"):
            to_review(people, title)
        until_true(lambda: len({body["data"]["event"] for _, body in receiver.got}) == 9)
        began_s = time.monotonic()
        courier.close()
        assert time.monotonic() - began_s < 2
        waiting = (notices.c.webhook == "h-ada", notices.c.sent_s.is_(None))
        assert len(people.rows(sa.select(notices.c.id).where(*waiting))) == 9
    until_true(lambda: not courier._sending)  # before its database is closed


def test_two_services_put_an_event_once(people: Door, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    subscribe(people, receiver, "ada")
    outbox.put_mails(people, "")
    to_review(people)
    wait: list[Callable[[], int]] = [lambda: outbox.put_for_webhooks(people), lambda: outbox.put_mails(people, "")]

    def between(work: Any) -> Any:
        """What another service does, after this one has looked and before it writes."""

        def worked(*given: Any, **more: Any) -> Any:
            found = work(*given, **more)
            if wait:
                wait.pop(0)()
            return found

        return worked

    monkeypatch.setattr(outbox, "principal_of", between(principal_of))
    outbox.put_for_webhooks(people)
    monkeypatch.setattr(outbox, "newest_event", between(outbox.newest_event))
    outbox.put_mails(people, "")
    assert not wait
    found = [(one["webhook"], one["mail_to"], one["event"]) for one in people.rows(sa.select(notices))]
    assert len(found) == len(set(found)) == 4


def test_a_webhook_with_very_much_to_send_keeps_no_other_out(people: Door) -> None:
    row = {"event": 1, "body": "{}", "made_s": 1.0}
    many = [{**row, "id": f"n{number}", "webhook": "h-1", "due_s": 1.0 + number} for number in range(outbox.CHUNK + 1)]
    with people.writing() as connection:
        connection.execute(sa.insert(notices), [*many, {**row, "id": "other", "webhook": "h-2", "due_s": 9999.0}])
    assert [one["id"] for one in outbox.due(people)] == ["n0", "other"]


def test_a_webhook_is_given_up_after_a_day_without_an_answer_and_not_after_a_number_of_calls(
    people: Door, receiver: Receiver
) -> None:
    subscribe(people, receiver, "ada")
    assert sum(outbox.AGAIN_S) >= 86_400.0

    def put(name: str) -> None:
        row = {"id": name, "event": 1, "body": "{}", "webhook": "h-ada", "made_s": time.time(), "due_s": 1.0}
        with people.writing() as connection:
            connection.execute(sa.insert(notices).values(**row))

    def called() -> bool:
        return people.rows(sa.select(webhook.c.disabled_s))[0]["disabled_s"] is None

    def fail(name: str) -> None:
        outbox.failed(people, people.rows(sa.select(notices).where(notices.c.id == name))[0], "it answered 500")

    for number in range(50):
        put(f"n{number}")
        fail(f"n{number}")
    assert called()
    put("arrives")
    outbox.sent(people, people.rows(sa.select(notices).where(notices.c.id == "arrives"))[0])
    for _ in range(len(outbox.AGAIN_S)):
        fail("n0")
    assert called(), "something has arrived meanwhile"
    with people.writing() as connection:
        connection.execute(sa.delete(notices).where(notices.c.id == "arrives"))
    for _ in range(len(outbox.AGAIN_S)):
        assert called()
        fail("n2")
    (row,) = people.rows(sa.select(webhook))
    assert row["disabled_s"] is not None
    assert "for a day, in 11 tries; the last: it answered 500" in row["why"]
