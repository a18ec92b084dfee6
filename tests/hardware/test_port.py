"""Ports: one worker, deadlines, drains, checked replies, exclusive use."""

import contextlib
import os
import re
import resource
import socket
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from labwright.clock import LabClock
from labwright.hardware import Lines, Port, open_port
from labwright.hardware.descriptors import in_use
from labwright.hardware.transport import VisaTransport
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


def test_a_write_is_not_held_back_until_the_answer_to_the_one_before(line: tuple[Port, Echo, SimHost]) -> None:
    port, _, _ = line
    took = []
    for _ in range(50):
        began = time.perf_counter()
        port.exchange("set", LINES, None, idempotent=True)
        ask(port, "get?")
        took.append(time.perf_counter() - began)
    # Nagle's algorithm makes every one of them 40 ms; a busy machine makes some of them slow
    assert min(took) < 20e-3


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
    host.fault("echo", "slow", value=0.3)
    threads = [
        threading.Thread(target=ask, args=(port, f"n{number}?"), kwargs={"timeout_s": 2.0}) for number in range(4)
    ]
    for thread in threads:
        thread.start()
    while port._jobs.qsize() + len(echo.heard) < 4:
        time.sleep(0.001)  # the threads have to get their turn
    before = len(echo.heard)
    ask(port, "stop?", urgent=True, timeout_s=2.0)
    assert echo.heard.index("stop?") <= before + 1, "behind the one under way, and perhaps one that just began"
    for thread in threads:
        thread.join(5)
    assert sorted(echo.heard) == ["n0?", "n1?", "n2?", "n3?", "stop?"]


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
def answering(kind: str, answer: bytes, again_s: float | None = None) -> Iterator[PortAddress]:
    """A peer that answers anything with `answer`, and if `again_s` is given goes on with it."""
    over = threading.Event()
    threads: list[threading.Thread] = []

    def talk(read: Any, write: Any) -> None:
        with contextlib.suppress(OSError):
            while not over.is_set() and read():
                write(answer)
                while again_s is not None and not over.wait(again_s):
                    write(answer)

    def start(target: Any, *args: Any) -> None:
        threads.append(threading.Thread(target=target, args=args, daemon=True))
        threads[-1].start()

    if kind in ("serial", "visa serial"):
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)

        def write(data: bytes) -> None:
            while data and not over.is_set():
                with contextlib.suppress(BlockingIOError):
                    data = data[os.write(master, data) :]

        def read() -> bytes:
            while not over.is_set():
                with contextlib.suppress(BlockingIOError):
                    return os.read(master, 4096)
                over.wait(0.001)
            return b""

        start(talk, read, write)
        path = os.ttyname(slave)
        address: PortAddress = SerialAddress(type="serial", path=path, timeout_s=0.2)
        if kind == "visa serial":
            address = VisaAddress(type="visa", resource=f"ASRL{path}::INSTR", timeout_s=0.2)
        try:
            yield address
        finally:
            over.set()
            threads[0].join(5)
            os.close(master)
            os.close(slave)
        return
    server = socket.create_server(("127.0.0.1", 0))

    def talk_and_close(client: socket.socket) -> None:
        with client:
            client.settimeout(1)
            talk(partial(client.recv, 4096), client.sendall)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                start(talk_and_close, client)

    start(serve)
    tcp_port = server.getsockname()[1]
    try:
        if kind == "tcp":
            yield TcpAddress(type="tcp", host="127.0.0.1", tcp_port=tcp_port, timeout_s=0.2)
        else:
            yield VisaAddress(type="visa", resource=f"TCPIP::127.0.0.1::{tcp_port}::SOCKET", timeout_s=0.2)
    finally:
        over.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for thread in threads:
            thread.join(5)


WIRES = ["serial", "tcp", "visa", "visa serial"]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("came", [b"HAL", b"VALUE?\r", b"VALUE?;"])
def test_the_part_of_a_reply_that_came_is_told(wire: str, came: bytes) -> None:
    with answering(wire, came) as address:
        port = open_port("line", address)
        try:
            for _ in range(2):  # and it is not taken for the beginning of the next reply
                with pytest.raises(CommunicationError, match=re.escape(f"within 0.2 s, got only {came!r}")):
                    port.exchange("value?", Lines(send="\n", receive="\r\n"), str, idempotent=False)
        finally:
            port.close()


@pytest.mark.parametrize("wire", ["serial", "tcp", "visa"])
def test_a_flood_without_a_line_end_is_noticed(wire: str) -> None:
    with answering(wire, b"x" * 2_000_000) as address:
        port = open_port("line", address.model_copy(update={"timeout_s": 5.0}))
        try:
            with pytest.raises(CommunicationError, match=r"flooded with|bytes and no end, the last b'xxx"):
                port.exchange("value?", Lines(send="\n", receive="\r\n"), str, idempotent=False)
        finally:
            port.close()


def test_a_visa_line_that_is_no_socket_works_too() -> None:
    with answering("visa serial", b"VALUE?\n") as address:
        port = open_port("line", address)
        try:
            assert [port.exchange("value?", Lines("\n", "\n"), str, idempotent=False) for _ in range(3)] == [
                "VALUE?"
            ] * 3
        finally:
            port.close()


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
    ):
        with pytest.raises(CommunicationError, match="cannot be opened"):
            open_port("line", address)


@pytest.mark.parametrize(
    "resource", ["nonsense", "", "TCPIP::h::abc::SOCKET", "tcpip0::h::5025::socket", "USB::1::INSTR"]
)
def test_what_is_no_visa_resource_is_refused_in_words(resource: str) -> None:
    with pytest.raises(CommunicationError, match=r"cannot be opened: .*is no VISA resource.* write it as TCPIP::host"):
        open_port("line", VisaAddress(type="visa", resource=resource))


def test_closing_a_line_closes_no_other(line: tuple[Port, Echo, SimHost]) -> None:
    port, _, host = line
    second: Any = host.serve("second", port.address, [Echo("other", World(host.clock, 0))])
    open_port("second", second).close()
    assert ask(port, "value?") == "VALUE?"


def test_five_hundred_serial_lines_are_open_in_one_process_at_once() -> None:
    threads, before = threading.active_count(), resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        with SimHost(LabClock()) as host, contextlib.ExitStack() as opened:
            world = World(host.clock, 0)
            served: list[Any] = [host.serve(f"line{n}", KINDS[0], [Echo(f"echo{n}", world)]) for n in range(500)]
            ports = [open_port(f"line{n}", address) for n, address in enumerate(served)]
            for port in ports:
                opened.callback(port.close)
            assert in_use() > 1024, "more than select() could wait for"
            assert [ask(port, "who?") for port in ports] == ["WHO?"] * 500
            host.fault("echo499", "drop_byte")
            assert ask(ports[-1], "who?") == "WHO?"
        assert threading.active_count() - threads < 20
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def limited(hard: int, soft: int, lines: int) -> subprocess.CompletedProcess[str]:
    """So many lines, in a process that may have so many files open, in the words of the error that came."""
    code = (
        "import resource; from labwright.clock import LabClock; from labwright.hardware import open_port\n"
        "from labwright.model.errors import LabwrightError; from labwright.model.ports import SerialAddress\n"
        "from labwright.simulation import SimHost, SimInstrument, World\n"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        "host = SimHost(LabClock()); line = SerialAddress(type='serial', path='-'); ports = []\n"
        "try:\n"
        f"    for n in range({lines}):\n"
        "        served = host.serve(f'l{n}', line, [SimInstrument(f'i{n}', World(host.clock, 0))])\n"
        "        ports.append(open_port(f'l{n}', served))\n"
        "    print('all open', resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
        "except LabwrightError as error: print(error)\n"
        "for port in ports: port.close()\n"
        "host.stop()"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)


def test_a_soft_limit_of_open_files_is_raised_and_a_hard_one_told_in_words() -> None:
    raised = limited(hard=2000, soft=128, lines=60).stdout
    assert raised.startswith("all open"), raised
    assert int(raised.split()[-1]) > 128
    told = limited(hard=128, soft=128, lines=60).stdout
    assert re.search(r"need \d+ open files.*may have 128\. Allow it more: `ulimit -n 1024`", told), told


def test_a_line_that_was_cut_says_nothing_more_not_even_a_halt(line: tuple[Port, Echo, SimHost]) -> None:
    port, echo, _ = line
    assert port.exchange("a?", LINES, expecting("a?"), idempotent=False) == "A?"
    port.cut()
    for urgent in (False, True):
        with pytest.raises(CommunicationError, match="the line was cut"):
            port.exchange("b?", LINES, expecting("b?"), idempotent=True, urgent=urgent)
    assert echo.heard == ["a?"]


@pytest.mark.parametrize("wire", ["visa", "visa serial"])
def test_a_command_has_its_own_time_however_little_the_last_read_had_left(wire: str) -> None:
    with answering(wire, b"VALUE?\n") as address:
        transport = VisaTransport(address)  # type: ignore[arg-type]
        try:
            transport.drain()
            transport.read(time.monotonic())  # its time is over: a millisecond is the least that VISA knows
            transport.write(b"value?\n")
            assert transport._resource.timeout == 200
        finally:
            transport.close()
