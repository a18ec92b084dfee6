"""Sends what is in the outbox: a thread that looks once a second, and never in the way of a request or of the lab.

Each notice is sent by a thread of its own, a few at a time and one of each receiver: one that does not answer keeps no
other waiting.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from labwright.lab.desk import read_rules
from labwright.lab.folder import CONFIG, DESK_FILE
from labwright.model.desk import DeskPolicy
from labwright.model.errors import CommunicationError, ConfigError, LabwrightError, RefusedError
from labwright.model.rows import Row
from labwright.service.database import Door
from labwright.service.notices import outbox
from labwright.service.notices.calling import call, place_of
from labwright.service.notices.mailing import send
from labwright.service.schema import webhook

LOOK_S = 1.0
"""Wall seconds between two looks."""

AWAY_S = 15.0
"""The same, after a database was away or the lab's rules had mistakes."""

AT_A_TIME = 4
"""Notices that are sent at a time."""

CLOSE_S = 3.0
"""Wall seconds that what is being sent has when the service ends; what has not arrived by then is sent again later."""

GONE = 410
"""What a receiver answers that wants no more (RFC 9110)."""

log = logging.getLogger(__name__)


class Rules:
    """The desk's rules, read again when their file has changed.

    Args:
        root: the lab's folder; None where the service does not know it.
    """

    def __init__(self, root: Path | None) -> None:
        self._path = None if root is None else root / CONFIG / DESK_FILE
        self._known: tuple[int, DeskPolicy] | None = None

    @property
    def now(self) -> DeskPolicy:
        """As they are.

        Raises:
            ConfigError: the file has mistakes.
        """
        if self._path is None or not self._path.exists():
            return DeskPolicy()
        changed = self._path.stat().st_mtime_ns
        if self._known is None or self._known[0] != changed:
            self._known = changed, read_rules(self._path.parent.parent)
        return self._known[1]


class Courier:
    """Sends notices.

    Args:
        door: the service's database.
        rules: of the desk, with the mail server and the hosts that may be called.
    """

    def __init__(self, door: Door, rules: Rules) -> None:
        self._door = door
        self._rules = rules
        self._closing = threading.Event()
        self._free = threading.Semaphore(AT_A_TIME)
        self._sending: dict[str, threading.Thread] = {}
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; what is being sent is sent, unless it takes long."""
        self._closing.set()
        ends_s = time.monotonic() + CLOSE_S
        for thread in (self._thread, *list(self._sending.values())):
            thread.join(max(0.0, ends_s - time.monotonic()))

    @contextlib.contextmanager
    def _or_end(self) -> Iterator[None]:
        """At a fault of ours the process ends, is seen, and is started again."""
        try:
            yield
        except BaseException:
            if not self._closing.is_set():
                os.kill(os.getpid(), signal.SIGTERM)
            raise

    def _run(self) -> None:
        with self._or_end():
            while not self._closing.wait(LOOK_S):
                try:
                    self._look()
                except LabwrightError as error:
                    log.warning("notices wait: %s", error)
                    self._closing.wait(AWAY_S)

    def _look(self) -> None:
        rules = self._rules.now
        outbox.put_for_webhooks(self._door)
        if rules.mail is not None:
            outbox.put_mails(self._door, rules.mail.link)
        for row in outbox.due(self._door):
            to = row["webhook"] or row["mail_to"]
            if to in self._sending:
                continue
            while not self._free.acquire(timeout=LOOK_S):
                if self._closing.is_set():
                    return
            if self._closing.is_set() or not outbox.claim(self._door, row):
                self._free.release()
                continue
            self._sending[to] = threading.Thread(target=self._carry, args=(to, row, rules), name="notice", daemon=True)
            self._sending[to].start()

    def _carry(self, to: str, row: Row, rules: DeskPolicy) -> None:
        """Send one notice, in its thread."""
        with self._or_end():
            try:
                self._send_or_fail(row, rules)
            except LabwrightError as error:  # it stays claimed for a while, and is tried again
                log.warning("a notice waits: %s", error)
            finally:
                del self._sending[to]
                self._free.release()

    def _send_or_fail(self, row: Row, rules: DeskPolicy) -> None:
        try:
            self._send(row, rules)
        except LabwrightError:
            raise
        except Exception as error:  # libraries raise what they like about odd addresses and answers: no other notice
            log.exception("notice %s", row["id"])  # waits for that, and the service does not end of it
            outbox.failed(self._door, row, f"it cannot be sent: {type(error).__name__}: {error}")

    def _send(self, row: Row, rules: DeskPolicy) -> None:
        try:
            if row["mail_to"]:
                if rules.mail is None:
                    outbox.failed(self._door, row, "the lab's desk.yaml names no mail server any more", again=False)
                    return
                send(rules.mail, row["mail_to"], row["subject"], row["body"], row["id"])
            elif words := self._call(row, rules):
                outbox.failed(self._door, row, words)
                return
            outbox.sent(self._door, row)
        except (RefusedError, ConfigError) as error:
            outbox.failed(self._door, row, str(error), again=bool(row["mail_to"]))
            if row["webhook"]:
                outbox.disable(self._door, row["webhook"], str(error))
        except CommunicationError as error:
            outbox.failed(self._door, row, str(error))

    def _call(self, row: Row, rules: DeskPolicy) -> str:
        """Call a webhook; what is wrong with its answer, in words, empty if nothing is."""
        found = self._door.rows(
            sa.select(webhook).where(webhook.c.id == row["webhook"], webhook.c.disabled_s.is_(None))
        )
        if not found:
            return "the webhook was taken away"
        place = place_of(found[0]["url"], rules.webhook_hosts)
        status = call(place, rules.webhook_hosts, found[0]["secret"], row["id"], row["body"].encode())
        if status == GONE:
            raise RefusedError("the receiver answered 410: it wants no more")
        return "" if 200 <= status < 300 else f"it answered {status}"
