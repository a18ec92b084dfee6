"""The control channel of a simulation: JSON lines over TCP on loopback, to put faults on and take them off.

A line is ``{"op": "fault", "device": ..., "kind": ..., "count": 1, "value": 0, "match": "*"}``, ``{"op": "clear"}``,
``{"op": "list"}`` (the kinds each instrument knows) or ``{"op": "status"}``; the answer is a line with ``ok`` and what
was asked for, or ``error`` in words.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import orjson
from pydantic import ValidationError

from labwright.model.errors import CommunicationError, ConfigError, LabwrightError
from labwright.simulation.faults import Fault
from labwright.simulation.host import SimHost
from labwright.simulation.wires import stop_serving


class ControlServer:
    """Serves the control channel of `host` on a free port of loopback."""

    def __init__(self, host: SimHost) -> None:
        self._host = host
        self._clients: set[asyncio.Task[None]] = set()
        self._server = host.loop_thread.run(asyncio.start_server(self._client, "127.0.0.1", 0))
        self.tcp_port: int = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Stop serving."""
        self._host.loop_thread.run(stop_serving(self._server, self._clients))

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._clients.add(task)
            task.add_done_callback(self._clients.discard)
        try:
            while line := await reader.readline():
                writer.write(orjson.dumps(self._answer(line)) + b"\n")
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = orjson.loads(line)
            op = request.pop("op")
            if op == "fault":
                self._host.instrument(request.pop("device")).add_fault(Fault(**request))
                return {"ok": True}
            if op == "clear":
                for instrument in self._host.instruments.values():
                    instrument.clear_faults()
                return {"ok": True}
            if op == "list":
                return {"ok": True, "faults": {name: one.faults() for name, one in self._host.instruments.items()}}
            if op == "status":
                return {
                    "ok": True,
                    "lab_time_s": self._host.clock.now(),
                    "unknown": self._host.unknown_commands(),
                    "broken": self._host.broken(),
                }
        except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValidationError, LabwrightError) as error:
            return {"ok": False, "error": str(error)}
        return {"ok": False, "error": f"no operation {op!r}; there are fault, clear, list and status"}


def ask(tcp_port: int, request: dict[str, Any]) -> dict[str, Any]:
    """Send one request to the simulation that listens on `tcp_port`, and return its answer.

    Raises:
        CommunicationError: no answer comes.
        ConfigError: the answer says no: there is no such operation, device or fault.
    """
    try:
        with socket.create_connection(("127.0.0.1", tcp_port), timeout=5) as connection:
            connection.sendall(orjson.dumps(request) + b"\n")
            answer: dict[str, Any] = orjson.loads(connection.makefile("rb").readline())
    except (OSError, orjson.JSONDecodeError) as error:
        raise CommunicationError(
            f"the simulation's control channel at port {tcp_port} does not answer: {error}"
        ) from error
    if not answer.get("ok"):
        raise ConfigError(f"the simulation refuses: {answer.get('error')}")
    return answer
