"""Ports: one worker, deadlines, drains, checked replies, exclusive use."""

import contextlib
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from labwright.clock import LabClock
from labwright.hardware import Lines, Port, open_port
from labwright.model.errors import BadReplyError, CommunicationError, StoppedError
from labwright.model.ports import PortAddress, SerialAddress, TcpAddress, VisaAddress
from labwright.simulation import SimHost, SimInstrument, World

LINES = Lines(send="\n", receive="\r\n")
KINDS: list[PortAddress] = [
    SerialAddress(type="serial", path="-"),
    TcpAddress(type="tcp", host="-", tcp_port=1),
    VisaAddress(type="visa", resource="-"),
]


class Echo(SimInstrument):
    """Counts what it is told, and says it back."""

    def __init__(self, name: str, world: World) -> None:
        super().__init__(name, world)
        self.heard: list[str] = []

    def answer(self, command: str) -> str | None:
        self.heard.append(command)
        return command.upper() if command.endswith("?") else None


@pytest.fixture(params=KINDS, ids=lambda kind: kind.type)
def line(request: pytest.FixtureRequest) -> Iterator[tuple[Port, Echo, SimHost]]:
    with SimHost(LabClock()) as host:
        echo = Echo("echo", World(host.clock, 0))
        address: Any = host.serve("line", request.param, [echo])
        port = open_port("line", address)
        try:
            yield port, echo, host
        finally:
            port.close()


def expecting(command: str) -> Any:
    def parse(text: str) -> str:
        if text != command.upper():
            raise BadReplyError(f"{text!r} does not belong to {command!r}")
        return text

    return parse


def ask(port: Port, command: str, **more: Any) -> str:
    return str(port.exchange(command, LINES, expecting(command), **{"idempotent": True, "timeout_s": 0.2, **more}))


def refused(kind: type[Exception], port: Port, command: str, **more: Any) -> None:
    with pytest.raises(kind):
        ask(port, command, **more)


def test_write_then_query_is_fast(line: tuple[Port, Echo, SimHost]) -> None:
    port, _, _ = line
    took = []
    for _ in range(200):
        began = time.perf_counter()
        port.exchange("set", LINES, None, idempotent=True)
        ask(port, "get?")
        took.append(time.perf_counter() - began)
    # Nagle's algorithm would make it 40 ms; the limit of the issue is 2 ms
    assert statistics.median(took) < 2e-3


@pytest.mark.parametrize("kind", ["drop_byte", "garbage", "no_reply", "truncate"])
def test_damaged_replies_are_asked_for_again(line: tuple[Port, Echo, SimHost], kind: str) -> None:
    port, echo, host = line
    host.fault("echo", kind)
    assert ask(port, "value?") == "VALUE?"
    assert echo.heard == ["value?", "value?"]
    assert port.stats.retries == 1


def test_what_is_not_safe_to_repeat_is_sent_once(line: tuple[Port, Echo, SimHost]) -> None:
    port, echo, host = line
    host.fault("echo", "no_reply")
    with pytest.raises(CommunicationError, match=r"sent once; it is not safe to repeat.*within 0\.2 s, got nothing"):
        ask(port, "dose?", idempotent=False)
    assert echo.heard == ["dose?"]


def test_a_late_reply_never_answers_the_next_question(line: tuple[Port, Echo, SimHost]) -> None:
    port, _, host = line
    host.fault("echo", "slow", value=0.3)
    with pytest.raises(CommunicationError):
        ask(port, "first?", idempotent=False)
    time.sleep(0.2)  # wall time of the instrument itself: its late reply arrives now
    assert ask(port, "second?", idempotent=False) == "SECOND?"
    assert port.stats.stale_bytes > 0


def test_a_lost_connection_comes_back(line: tuple[Port, Echo, SimHost]) -> None:
    port, _, host = line
    host.fault("echo", "disconnect")
    assert ask(port, "value?") == "VALUE?"
    assert ask(port, "again?") == "AGAIN?"


def test_urgent_overtakes_what_waits(line: tuple[Port, Echo, SimHost]) -> None:
    port, echo, host = line
    host.fault("echo", "slow", value=0.1)
    threads = [
        threading.Thread(target=ask, args=(port, f"n{number}?"), kwargs={"timeout_s": 2.0}) for number in range(4)
    ]
    for thread in threads:
        thread.start()
        while thread.ident is None or not echo.heard:
            pass
    while port._jobs.qsize() < 3:
        pass
    ask(port, "stop?", urgent=True, timeout_s=2.0)
    assert echo.heard.index("stop?") <= 2
    for thread in threads:
        thread.join(5)


def test_a_command_that_is_no_longer_allowed_never_goes_out(line: tuple[Port, Echo, SimHost]) -> None:
    port, echo, _ = line

    def refuse() -> None:
        raise CommunicationError("stopped meanwhile")

    with pytest.raises(CommunicationError, match="stopped meanwhile"):
        ask(port, "run?", idempotent=False, allowed=refuse)
    assert echo.heard == []


def test_a_line_has_one_user(line: tuple[Port, Echo, SimHost]) -> None:
    port, _, _ = line
    with pytest.raises(CommunicationError, match="is in use by process"):
        open_port("second", port.address)
    code = (
        "import sys; from labwright.hardware import open_port; from pydantic import TypeAdapter; "
        "from labwright.model.ports import PortAddress; from labwright.model.errors import CommunicationError\n"
        "try: open_port('x', TypeAdapter(PortAddress).validate_json(sys.argv[1]))\n"
        "except CommunicationError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, port.address.model_dump_json()], capture_output=True, text=True, check=True
    )
    assert "is in use by process" in done.stdout


def test_a_closed_port_says_so(line: tuple[Port, Echo, SimHost]) -> None:
    port, _, _ = line
    port.close()
    with pytest.raises(CommunicationError, match="is closed"):
        ask(port, "value?")


@contextmanager
def babbling(chunk: bytes, every_s: float) -> Iterator[Port]:
    """A port on a peer that never stops talking."""
    server = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                client, _ = server.accept()
                with client:
                    while not over.wait(every_s):
                        client.sendall(chunk)

    threading.Thread(target=serve, daemon=True).start()
    address = TcpAddress(type="tcp", host="127.0.0.1", tcp_port=server.getsockname()[1], timeout_s=0.2)
    port = open_port("line", address)
    try:
        yield port
    finally:
        over.set()
        server.close()
        port.close()


@pytest.mark.parametrize(("chunk", "every_s"), [(b"x" * 4096, 0.0), (b"x", 0.01)])
def test_a_line_that_never_falls_silent_keeps_no_deadline_waiting(chunk: bytes, every_s: float) -> None:
    with babbling(chunk, every_s) as port:
        began = time.monotonic()
        with pytest.raises(CommunicationError):
            port.exchange("value?", LINES, expecting("value?"), idempotent=False)
        assert time.monotonic() - began < 5


def test_a_stop_does_not_wait_for_a_reply_that_nobody_wants_any_more(line: tuple[Port, Echo, SimHost]) -> None:
    port, echo, host = line
    host.fault("echo", "no_reply", match="home?")
    stopped = threading.Event()

    def allowed() -> None:
        if stopped.is_set():
            raise StoppedError("the arm was stopped")

    waiting = threading.Thread(
        target=lambda: refused(StoppedError, port, "home?", idempotent=False, timeout_s=30, allowed=allowed)
    )
    waiting.start()
    while not echo.heard:
        pass
    began = time.monotonic()
    stopped.set()
    ask(port, "halt?", urgent=True)
    assert time.monotonic() - began < 2
    waiting.join(5)
    assert not waiting.is_alive()


def test_a_silent_neighbour_does_not_keep_a_halt_waiting(line: tuple[Port, Echo, SimHost]) -> None:
    port, echo, host = line
    host.fault("echo", "no_reply", count=99, match="silent*")
    threads = [
        threading.Thread(target=lambda: refused(CommunicationError, port, "silent?", urgent=True)),
        threading.Thread(target=ask, args=(port, "halt?"), kwargs={"urgent": True}),
    ]
    for thread in threads:
        thread.start()
        while not port._jobs.empty() and not echo.heard:
            pass
    for thread in threads:
        thread.join(5)
    assert echo.heard.index("halt?") <= 1, "after the first try of its neighbour, not after all of them"


def test_nothing_is_sent_after_closing(line: tuple[Port, Echo, SimHost]) -> None:
    port, echo, host = line
    host.fault("echo", "no_reply", count=99)
    threads = [
        threading.Thread(target=lambda: refused(CommunicationError, port, "value?", timeout_s=5.0)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    while not echo.heard or port._jobs.qsize() < 3:
        pass
    began = time.monotonic()
    port.close()
    assert time.monotonic() - began < 2
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert echo.heard == ["value?"]


def test_nobody_there_is_told_in_words() -> None:
    for address in (
        SerialAddress(type="serial", path="/dev/no-such-line"),
        TcpAddress(type="tcp", host="127.0.0.1", tcp_port=1),
        VisaAddress(type="visa", resource="TCPIP::127.0.0.1::1::SOCKET"),
        VisaAddress(type="visa", resource="nonsense"),
    ):
        with pytest.raises(CommunicationError, match="cannot be opened"):
            open_port("line", address)


def test_closing_a_line_closes_no_other(line: tuple[Port, Echo, SimHost]) -> None:
    port, _, host = line
    second: Any = host.serve("second", port.address, [Echo("other", World(host.clock, 0))])
    open_port("second", second).close()
    assert ask(port, "value?") == "VALUE?"


def test_two_hundred_instruments_in_one_process() -> None:
    threads = threading.active_count()
    with SimHost(LabClock()) as host:
        world = World(host.clock, 0)
        served: list[Any] = [
            host.serve(f"line{number}", KINDS[number % 2], [Echo(f"echo{number}", world)]) for number in range(200)
        ]
        answers = []
        # drivers in lots: select(), which pyserial uses, ends at 1,024 open files, and a serial port takes six
        for first in range(0, 200, 50):
            ports = [open_port(f"line{first + n}", address) for n, address in enumerate(served[first : first + 50])]
            answers += [ask(port, "who?") for port in ports]
            for port in ports:
                port.close()
        assert answers == ["WHO?"] * 200
        assert threading.active_count() - threads < 20


def test_a_line_that_was_cut_says_nothing_more_not_even_a_halt(line: tuple[Port, Echo, SimHost]) -> None:
    port, echo, _ = line
    assert port.exchange("a?", LINES, expecting("a?"), idempotent=False) == "A?"
    port.cut()
    for urgent in (False, True):
        with pytest.raises(CommunicationError, match="the line was cut"):
            port.exchange("b?", LINES, expecting("b?"), idempotent=True, urgent=urgent)
    assert echo.heard == ["a?"]
