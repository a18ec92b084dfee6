"""Commands to the controller: left in the journal, and answered there; what takes long is answered later."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import orjson

from labwright.journal import Journal, schema
from labwright.model.errors import JournalError
from labwright.service.once import Answer
from labwright.service.problems import Problem
from labwright.service.state import Service

WAIT_S = 2.0
"""Wall seconds after which a client learns where to ask for the answer."""

TAKEN_S = 30.0
"""Wall seconds in which a controller takes a command; what it has not taken then is withdrawn, and never done."""

DESK = "desk:"
"""How keys of the request desk's own commands begin: these wait as long as a controller runs."""

LOOK_S = 0.02


async def command(
    service: Service,
    campaign: str,
    kind: str,
    payload: Mapping[str, Any],
    *,
    by: str,
    because: str,
    key: str,
    trace: str,
) -> Answer:
    """Ask the controller for something, and wait a little for its answer.

    Args:
        service: with the journal.
        campaign: its id; empty for the lab.
        kind: of command.
        payload: what else it says.
        by: who asks.
        because: why.
        key: the same when it is asked again.
        trace: of the request.

    Raises:
        Problem: the controller refuses.
    """
    ask = partial(service.records.command, campaign, kind, payload, by=by, because=because, key=key, trace=trace)
    number = await anyio.to_thread.run_sync(ask)
    ends_s = time.monotonic() + WAIT_S
    while time.monotonic() < ends_s:
        row = await anyio.to_thread.run_sync(read, service, number)
        if row["state"] != "waiting":
            return _answered(number, row)
        await anyio.sleep(LOOK_S)
    expiring = asyncio.create_task(_expire(service, number))
    _expiring.add(expiring)
    expiring.add_done_callback(_expiring.discard)
    return Answer(202, {"command": number, "state": "waiting"}, {"Location": f"/v1/commands/{number}"})


_expiring: set[asyncio.Task[None]] = set()
"""Referred to, or Python would forget them."""


async def _expire(service: Service, number: int) -> None:
    """Withdraw a command that is not taken in time, whether its client asks about it or not."""
    await anyio.sleep(TAKEN_S + LOOK_S)
    with contextlib.suppress(Problem, JournalError):  # what is left then is withdrawn at the next start
        await anyio.to_thread.run_sync(read, service, number)


def withdraw_stale(service: Service) -> None:
    """Withdraw what clients of an earlier service asked, and no controller took in time.

    Raises:
        JournalError: the journal cannot be read, or refuses.
    """
    command = schema.command
    stale = command.c.asked_s < time.time() - TAKEN_S
    mine = (command.c.key.is_not(None), command.c.key.not_like(f"{DESK}%"), command.c.taken_s.is_(None), stale)
    with service.records.reading() as journal:
        numbers = [int(row["id"]) for row in journal.rows(command, *mine)]
    for number in numbers:
        service.records.withdraw(number, f"no controller took it within {TAKEN_S:g} s")


def read(service: Service, number: int) -> dict[str, Any]:
    """A command as it stands: ``state`` is ``waiting``, ``done``, ``refused`` or ``withdrawn``.

    One that no controller has taken in time is withdrawn.

    Raises:
        Problem: there is none.
    """
    with service.records.reading() as journal:
        row = _row(journal, number)
        stale = row["taken_s"] is None and time.time() - row["asked_s"] > TAKEN_S
        if stale and not str(row["key"] or "").startswith(DESK):
            service.records.withdraw(number, f"no controller took it within {TAKEN_S:g} s")
            row = _row(journal, number)
    answer = str(row["answer"])
    state = next((word for word in ("refused", "withdrawn") if answer.startswith(f"{word}:")), "done")
    result = answer.partition(": ")[2]
    if state == "refused":
        result = re.sub(rf"^{re.escape(row['campaign'])} takes no '\w+' now: ", "", result)
    return {
        "command": number,
        "campaign": row["campaign"],
        "kind": row["kind"],
        "by": row["by"],
        "state": "waiting" if row["taken_s"] is None else state,
        "result": result,
    }


def of_key(journal: Journal, key: str) -> Mapping[str, Any] | None:
    """The command that was left with a key before, and so may have changed what it is about; None if none was."""
    rows = journal.rows(schema.command, schema.command.c.key == key)
    return rows[0] if rows else None


def payload_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a command says besides its kind."""
    found: dict[str, Any] = orjson.loads(row["payload"])
    return found


def _row(journal: Journal, number: int) -> Mapping[str, Any]:
    rows = journal.rows(schema.command, schema.command.c.id == number)
    if not rows:
        raise Problem("not_found", f"there is no command {number}")
    return rows[0]


def _answered(number: int, row: Mapping[str, Any]) -> Answer:
    if row["state"] == "done":
        return Answer(200, {"command": number, "state": "done", "result": row["result"]})
    words = "was not taken, and will not be" if row["state"] == "withdrawn" else "was refused"
    raise Problem("refused", f"{row['kind']} {words}: {row['result']}")
