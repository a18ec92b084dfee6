"""What the desk does by itself: hands approved requests to the controller, follows their campaigns, delivers.

It looks at what is open once a second, and does what is due, each thing in a transaction of its own. What a crash has
interrupted is done at the next look: a request is handed over under a key of its own, which the journal takes once.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import sqlalchemy as sa

from labwright.journal import Journal, instruments_words, schema
from labwright.model.errors import JournalError, LabwrightError
from labwright.model.rows import Row
from labwright.model.states import OVER
from labwright.service.database import Door
from labwright.service.desk import quotas, requests
from labwright.service.desk.appraiser import Appraiser
from labwright.service.desk.findings import PASSING, SETTLED, Appraisal
from labwright.service.desk.requests import By
from labwright.service.desk.states import Event
from labwright.service.problems import Problem
from labwright.service.records import Records
from labwright.service.schema import request, request_event

LOOK_S = 1.0
"""Wall seconds between two looks."""

AGAIN_S = 15.0
"""Wall seconds until a request that the lab cannot take now is looked at again."""

AGAIN_MOST_S = 600.0
"""The same at most, after many times."""

TAKEN_S = 30.0
"""Wall seconds in which a controller takes what is handed to it, as a rule; then a person sees that it has not."""

WORKED_ON = ("submitted", "under_review", "approved", "awaiting_samples", "queued", "running", "awaiting_operator")
TO_DELIVER = ("completed", "completed_with_deviations", "failed", "aborted")

log = logging.getLogger(__name__)


class Clerk:
    """Works on what is open.

    Args:
        door: the service's database.
        records: the lab's journal.
        appraiser: says what the lab finds of a request.
        deliver: writes the bundle of a request that is over.
    """

    def __init__(
        self,
        door: Door,
        records: Records,
        appraiser: Appraiser,
        deliver: Callable[[Journal, Row], object],
    ) -> None:
        self._door = door
        self._records = records
        self._appraiser = appraiser
        self._deliver = deliver
        self._again: dict[int, float] = {}
        self._refused: dict[int, int] = {}
        self._dead: dict[int, int] = {}
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="clerk", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Something has changed: look now."""
        self._wake.set()

    def close(self) -> None:
        """Stop looking."""
        self._closing = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._closing:
                self._wake.wait(LOOK_S)
                self._wake.clear()
                try:
                    self._look()
                except LabwrightError as error:  # a database that is away comes back
                    log.warning("the request desk waits: %s", error)
                    self._wake.wait(AGAIN_S)
        finally:
            if not self._closing:  # a fault of ours: the process ends with it, is seen, and is started again
                os.kill(os.getpid(), signal.SIGTERM)

    def _look(self) -> None:
        if not self._appraiser.knows_the_lab:  # a service that has the lab's folder does it
            return
        states = request.c.state.in_((*WORKED_ON, *TO_DELIVER))
        query = sa.select(request.c.n, request.c.state, request.c.valid_until_s, request.c.note).where(states)
        for seen in self._door.rows(query.order_by(request.c.n)):
            if self._closing:
                return
            if self._again.get(seen["n"], 0.0) > time.monotonic() or not _is_due(seen):
                continue
            self._again.pop(seen["n"], None)
            with self._door.reading() as connection:  # its content may be long: only where something is due
                row = requests.row_of(connection, seen["n"])
            try:
                self._work_on(row)
            except JournalError:  # a database is away, for all of them
                raise
            except Problem as error:  # a person was quicker, or the lab cannot say now: the next look sees it
                log.info("R%s: %s", row["n"], error.detail)
            except OSError as error:  # no room for a bundle
                self._waits(row, f"what was found cannot be written: {error.strerror or error}")
            except LabwrightError as error:
                self._waits(row, str(error))
            except Exception as error:
                log.exception("R%s cannot be worked on", row["n"])
                self._waits(row, f"a fault of Labwright's ({type(error).__name__}), which its log has; tell the lab")

    def _work_on(self, row: Row) -> None:
        state = row["state"]
        if state == "submitted":
            self._find(row)
        elif state == "under_review":
            with self._door.reading() as connection:
                short = requests.quota_short_of(connection, row)
            if not short:
                self._change(row, requests.approve_if_due)
        elif state in ("approved", "awaiting_samples") and (row["valid_until_s"] or 0.0) < time.time():
            self._change(
                row, lambda connection, now: requests.end(connection, now, "expire", By(), "the approval ended")
            )
        elif state == "approved":
            self._change(row, lambda connection, now: requests.advance(connection, now, "queue", By()))
            self.wake()
        elif state == "queued" and not row["campaign"]:
            self._hand_over(row)
        elif state in ("queued", "running", "awaiting_operator"):
            self._follow(row)
        elif state in TO_DELIVER:
            with self._records.reading() as journal:
                self._deliver(journal, row)
            self._change(row, lambda connection, now: requests.advance(connection, now, "deliver", By()))

    def _find(self, row: Row) -> None:
        """What was edited after it had been submitted is looked at again."""
        appraisal = self._appraised(row)
        if appraisal is None:
            return
        if not appraisal.problems:
            self._change(row, lambda connection, now: requests.found_valid(connection, now, appraisal))
            return
        words = "; ".join(f"{one.pointer}: {one.detail}" for one in appraisal.problems)
        detail = {"problems": [one.model_dump() for one in appraisal.problems]}
        self._change(
            row, lambda connection, now: requests.advance(connection, now, "find_wanting", By(), words, detail)
        )

    def _hand_over(self, row: Row) -> None:
        with self._records.reading() as journal:
            controlled = journal.controlled()
        command = self._command(row) if row["attempt"] else None
        if command is not None and not _is_dead(command):
            self._handed_over(row, command, controlled=controlled)
            return
        if row["abort"]:
            self._change(row, lambda connection, now: requests.settle(connection, now, "abort", 0, _abort_words(now)))
            return
        if not controlled:
            self._waits(row, "waits for a controller to run in the lab")
            return
        if command is not None and self._dead.get(row["n"]) != row["attempt"]:
            self._dead[row["n"]] = row["attempt"]
            self._waits(row, f"the controller has not taken it: {str(command['answer']).partition(': ')[2]}")
            return
        appraisal = self._appraised(row)
        if appraisal is None or self._is_wanting(row, appraisal):
            return
        spec = {**appraisal.spec, "name": f"request_{row['n']}", "seed": row["n"]}
        payload = {"spec": spec, "lab_sha256": appraisal.lab_sha256}
        # A crash before the command was left is followed by the same attempt, and so with the same key.
        attempt = row["attempt"] + 1 if command is not None or not row["attempt"] else row["attempt"]
        if not self._change(
            row, lambda connection, now: requests.note(connection, now, "is handed over", attempt=attempt)
        ):
            return
        self._records.command(
            "",
            "submit",
            payload,
            by=f"request R{row['n']} of {row['owner']}",
            because=row["title"],
            key=_key(row["n"], attempt),
            trace=self._trace(row),
        )
        self.wake()

    def _trace(self, row: Row) -> str:
        """The trace of the review by which it was approved: its operations are found by it."""
        mine = (request_event.c.request == row["n"], request_event.c.event == "review")
        last = sa.select(request_event.c.detail).where(*mine).order_by(request_event.c.id.desc()).limit(1)
        rows = self._door.rows(last)
        return str(orjson.loads(rows[0]["detail"]).get("trace", "")) if rows else ""

    def _command(self, row: Row) -> Mapping[str, Any] | None:
        """The command by which it was handed over last; None if a crash came before it was left."""
        table = schema.command
        with self._records.reading() as journal:
            rows = journal.rows(table, table.c.key == _key(row["n"], row["attempt"]))
        return rows[0] if rows else None

    def _is_wanting(self, row: Row, appraisal: Appraisal) -> bool:
        """Whether an approved request cannot be handed over: it waits, or goes back to who asked."""
        asked_on = requests.appraisal_of(row).instruments
        if asked_on != appraisal.instruments:
            words = f"was approved for {instruments_words(asked_on)}; the controller runs on "
            self._waits(
                row, f"{words}{instruments_words(appraisal.instruments)}: what is simulated is never mixed with it"
            )
            return True
        wrong = [one for one in appraisal.problems if one.code not in SETTLED]
        words = "; ".join(one.detail for one in wrong)
        if not wrong:
            return False
        if all(one.code in PASSING for one in wrong):
            self._waits(row, f"the lab cannot carry it out now: {words}")
            return True
        detail = {"problems": [one.model_dump() for one in wrong]}

        def give_back(connection: sa.Connection, now: Row) -> Row:
            quotas.release(connection, now["n"])
            return requests.advance(connection, now, "find_wanting", By(), words, detail)

        self._change(row, give_back)
        return True

    def _handed_over(self, row: Row, command: Mapping[str, Any], *, controlled: bool) -> None:
        """What the controller has made of it."""
        if command["taken_s"] is None:
            # A controller that runs may be about to take it: only where none does it can be taken back for certain.
            if not controlled:
                self._records.withdraw(int(command["id"]), "no controller runs any more")
            elif time.time() - command["asked_s"] > TAKEN_S:
                self._waits(row, "was handed to the controller, which has not answered yet")
            return
        self._refused.pop(row["n"], None)
        campaign = str(command["answer"]).partition(": ")[2]
        self._change(row, lambda connection, now: requests.note(connection, now, "", campaign=campaign))
        self.wake()

    def _follow(self, row: Row) -> None:
        """What its campaign does."""
        table, question = schema.campaign, schema.question
        with self._records.reading() as journal:
            found = journal.rows(table, table.c.id == row["campaign"])
            if not found:
                return  # admitted, and not started yet
            campaign = found[0]
            asks = bool(journal.rows(question, question.c.campaign == row["campaign"], question.c.state == "open"))
            ended = _ending(journal, row, campaign) if campaign["state"] in OVER else None
        if ended is not None:
            event, experiments, words = ended
            self._change(row, lambda connection, now: requests.settle(connection, now, event, experiments, words))
            self.wake()
            return
        if row["abort"]:
            self._stop(row)
        moves: dict[tuple[str, bool], Event] = {
            ("queued", False): "start",
            ("queued", True): "start",
            ("running", True): "ask_operator",
            ("awaiting_operator", False): "go_on",
        }
        if (moved := moves.get((row["state"], asks))) is not None:
            words = "waits for a person in the lab" if moved == "ask_operator" else ""
            self._change(row, lambda connection, now: requests.advance(connection, now, moved, By(), note=words))

    def _stop(self, row: Row) -> None:
        """Stop its campaign after the operations under way; again, if no controller has taken it."""
        asked, table = orjson.loads(row["abort"]), schema.command
        with self._records.reading() as journal:
            if not journal.controlled():
                return
            mine = (table.c.campaign == row["campaign"], table.c.key.like(f"desk:{row['n']}:abort:%"))
            before = journal.rows(table, *mine, order=table.c.id)
        if before and not _is_dead(before[-1]):
            return
        if before:
            self._again[row["n"]] = time.monotonic() + AGAIN_S
        self._records.command(
            row["campaign"],
            "stop",
            {"now": False},
            by=asked["by"],
            because=asked["because"],
            key=f"desk:{row['n']}:abort:{len(before) + 1}",
            trace=asked.get("trace", ""),
        )

    def _appraised(self, row: Row) -> Appraisal | None:
        """What the lab finds of it; None if it cannot be found out now."""
        try:
            return self._appraiser.appraise(orjson.loads(row["content"]))
        except (Problem, LabwrightError) as error:
            self._waits(row, f"the lab cannot look at it now: {error}")
            return None

    def _waits(self, row: Row, words: str) -> None:
        """It is looked at again later, and later still each time."""
        times = self._refused[row["n"]] = self._refused.get(row["n"], 0) + 1
        self._again[row["n"]] = time.monotonic() + min(AGAIN_S * 2 ** min(times - 1, 10), AGAIN_MOST_S)
        self._change(row, lambda connection, now: requests.note(connection, now, words[:2000]))

    def _change(self, row: Row, change: Callable[[sa.Connection, Row], Row]) -> bool:
        """Do something to a request, if it is still as it was looked at; whether it was."""
        with self._door.writing() as connection:
            now = requests.row_of(connection, row["n"])
            if now["version"] != row["version"]:
                return False
            change(connection, now)
            return True


def _is_due(seen: Row) -> bool:
    """Whether something may be to do for a request, by what is read of all of them."""
    if seen["state"] == "under_review":
        return bool(seen["note"])  # it waits for its quota
    return seen["state"] != "awaiting_samples" or (seen["valid_until_s"] or 0.0) < time.time()


def _key(number: int, attempt: int) -> str:
    """Of the command by which a request is handed over; the same after a crash."""
    return f"desk:{number}:{attempt}"


def _is_dead(command: Mapping[str, Any]) -> bool:
    """Whether a command was refused, or no controller will ever take it."""
    return command["taken_s"] is not None and str(command["answer"]).startswith(("refused:", "withdrawn:"))


def _abort_words(row: Mapping[str, Any]) -> str:
    asked = orjson.loads(row["abort"])
    return f"aborted by {asked['by']}: {asked['because']}"


def _ending(journal: Journal, row: Row, campaign: Mapping[str, Any]) -> tuple[Event, int, str]:
    """How a request ends whose campaign is over; how many experiments are charged; and why, in words."""
    trial, question = schema.trial, schema.question
    rows = journal.rows(trial, trial.c.campaign == campaign["id"])
    trials = [orjson.loads(one["trial"]) for one in rows if one["label"]]  # others were never experiments
    done = sum(one["status"] == "done" for one in trials)
    charged = done + sum(one.get("fail_kind") == "infeasible" for one in trials)
    spoilt = sum(one["status"] in ("failed", "abandoned") for one in trials)
    answered = (question.c.campaign == campaign["id"], question.c.state == "answered", question.c.kind == "question")
    asked = journal.rows(question, *answered)
    words = str(campaign["reason"])
    if row["abort"]:
        return "abort", charged, _abort_words(row)
    if campaign["state"] == "stopped":
        return "abort", charged, words
    if not done:
        return "fail", charged, words
    deviations = [f"{spoilt} experiments were not carried out whole"] if spoilt else []
    deviations += [f"{len(asked)} questions were answered by people"] if asked else []
    if campaign["state"] != "completed" or deviations:
        return "complete_with_deviations", charged, "; ".join([words, *deviations])
    return "complete", charged, words
