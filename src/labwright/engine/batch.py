"""Events that a controller takes together: handled, recorded in one transaction, then acted on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import orjson
import sqlalchemy as sa

from labwright.engine.events import Event, Instruction, Proposed, Remark, RunStep, Settle, decisions
from labwright.engine.lab import LabCore
from labwright.engine.remarks import judged_rows, refuse_elsewhere
from labwright.engine.tables import take_changes
from labwright.journal import Journal, NewEvent, settle, supersede
from labwright.lab import Lab


class Batch:
    """Events that are taken and recorded together, and what follows from them.

    Args:
        core: of the lab.
        lab: whose clock says when they are taken.
    """

    def __init__(self, core: LabCore, lab: Lab) -> None:
        self._core = core
        self._lab = lab
        self.kept: list[NewEvent] = []
        self.seen: list[tuple[str, Event]] = []
        self.instructions: list[Instruction] = []

    def take(self, name: str, event: Event, command: int = 0, answer: str = "done") -> None:
        """Let the core handle an event, and prepare what is to be recorded of it.

        Args:
            name: of its campaign.
            event: what has happened.
            command: that asked for it; 0 if none did.
            answer: to the command.
        """
        now_s = self._lab.clock.now()
        decided = self._core.handle(name, event, now_s)
        if isinstance(event, Proposed):
            answer = f"done: {self._core.campaign(name).trials[-1].id}"
        self._keep(name, event, decided, now_s, command, answer)

    def say(self, said: Remark, command: int, journal: Journal) -> None:
        """Take what a person says, and answer with its id.

        Args:
            said: that.
            command: that asked for it.
            journal: with the tables of a campaign that nothing works on.

        Raises:
            RefusedError: a campaign on other instruments would have to know of it.
        """
        campaign = said.about.campaign
        refuse_elsewhere(journal, said, self._lab.instruments, self._core.campaigns)
        self.take(campaign, said, command, f"done: {said.id}")
        if campaign not in self._core.campaigns and (more := judged_rows(journal, said, self.kept)):
            self.kept[-1] = replace(self.kept[-1], changes={**self.kept[-1].changes, **more})

    def grant(self) -> None:
        """Let the campaigns do what the lab can let them do now."""
        now_s = self._lab.clock.now()
        for grant in self._core.grant(now_s):
            self._keep(grant.campaign, grant.event, grant.instructions, now_s)
        if self._core.dirty.waits and self.kept:  # what others wait for now, though nothing was granted
            last = self.kept[-1]
            self.kept[-1] = replace(last, changes={**last.changes, **take_changes(self._core)})

    def _keep(
        self, name: str, event: Event, decided: list[Instruction], now_s: float, command: int = 0, answer: str = ""
    ) -> None:
        self.kept.append(
            NewEvent(
                campaign=name,
                kind=event.kind,
                payload=event.model_dump_json().encode(),
                decisions=orjson.dumps(decisions(decided)),
                lab_time_s=now_s,
                changes=take_changes(self._core),
                instruments=self._lab.instruments,
                also=_also(decided, now_s),
                command=command,
                answer=answer,
            )
        )
        self.seen.append((name, event))
        self.instructions += decided


def _also(decided: list[Instruction], now_s: float) -> Callable[[sa.Connection], None] | None:
    """What decisions change in the records of the stations, in the same transaction."""
    works = [
        settle(one.step_id, one.n, one.state, one.because, one.by, now_s, one.part, one.follow)
        for one in decided
        if isinstance(one, Settle)
    ]
    works += [supersede(one.order.step_id) for one in decided if isinstance(one, RunStep) and one.again]
    if not works:
        return None

    def also(connection: sa.Connection) -> None:
        for work in works:
            work(connection)

    return also
