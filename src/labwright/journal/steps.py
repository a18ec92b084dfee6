"""What stations record of a step: intents before the wire, outcomes and observations after it."""

from __future__ import annotations

from typing import Any

import orjson
import sqlalchemy as sa

from labwright.journal import schema
from labwright.journal.journal import Journal
from labwright.model.by_hand import BY_HAND
from labwright.model.material import Part, Used, total
from labwright.model.records import Follow, Intent, Observation, StepRecord
from labwright.model.states import TRANSITIONS, IllegalTransitionError, IntentState

_INTENT = ("step_id", "n", "attempt", "kind", "device", "axis", "value", "reconcile", "witness", "epoch", "state",
           "words", "decided_by", "prepared_s", "decided_s", "stock", "amount", "counted", "asked", "before",
           "follow", "campaign", "label", "step")  # fmt: skip
_OBSERVATION = ("step_id", "n", "device", "intent", "lab_time_s", "campaign", "label", "step")


class StepJournal:
    """Intents and observations in the journal; every call returns when it is on the disk.

    Args:
        journal: controlled by this process.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @property
    def epoch(self) -> int:
        """Of the controller."""
        return self._journal.writer.epoch

    def recall(self, step_id: str) -> StepRecord:
        """All that is recorded of a step, the newest attempt of each operation."""
        table, seen = schema.intent, schema.observation
        rows = self._journal.rows(table, table.c.step_id == step_id, order=table.c.attempt)
        intents = {row["n"]: _intent(row) for row in rows if not row["superseded"]}
        attempts = {row["n"]: row["attempt"] for row in rows}
        once = [one for one in rows if one["reconcile"] != "by_state" and one["state"] != "absent"]
        rows = self._journal.rows(seen, seen.c.step_id == step_id, seen.c.superseded.is_(False))
        observations = {row["n"]: _observation(row) for row in rows}
        return StepRecord(
            intents=intents,
            attempts=attempts,
            observations=observations,
            taking=self._taking(step_id),
            once=tuple((one["n"], one["attempt"]) for one in once),
        )

    def used(self, step_id: str) -> dict[str, Used]:
        """What a step has taken of the stocks so far, by stock."""
        return total((one.stock, one.used) for one in self._taking(step_id))

    def _taking(self, step_id: str) -> tuple[Intent, ...]:
        table = schema.intent
        return tuple(map(_intent, self._journal.rows(table, table.c.step_id == step_id, table.c.stock != "")))

    def prepare(self, intent: Intent) -> None:
        """Record an intent before its first byte reaches the wire.

        Raises:
            JournalError: it is not recorded; nothing may be sent.
        """
        row = {name: getattr(intent, name) for name in _INTENT}
        self._journal.writer.transact(
            lambda c: self._journal.statements.put(c, "intent", [row]), _label("intent", intent)
        )

    def decide(self, intent: Intent, observation: Observation | None = None) -> None:
        """Record how an operation came out, and in the same transaction what it measured.

        Args:
            intent: with its new state.
            observation: what the operation measured.

        Raises:
            IllegalTransitionError: it was decided otherwise before.
            JournalError: it is not recorded.
        """

        def work(connection: sa.Connection) -> None:
            decide(connection, intent)
            if observation is not None:
                self._keep(connection, observation)

        label = "outcome" if observation is None else "outcome+observation"
        self._journal.writer.transact(work, _label(label, intent))

    def observe(self, observation: Observation) -> None:
        """Record a reading."""
        self._journal.writer.transact(lambda c: self._keep(c, observation), _label("observation", observation))

    def held(self, campaign: str) -> dict[tuple[str, str], float]:
        """By device and axis: the value that was confirmed last in a campaign; none where a newer one is in doubt.

        That one's own step sets it again: the value before it must not come back, not for a moment. Nor does it where a
        person has set the axis by hand since: that was the last word, and the next step sets its own.
        """
        table = schema.intent
        query = (
            sa.select(*(table.c[name] for name in ("device", "axis", "value", "state", "epoch", "prepared_s")))
            .where(
                table.c.campaign == campaign,
                table.c.kind == "set",
                table.c.state != "absent",
                table.c.reconcile == "by_state",
            )
            .order_by(table.c.prepared_s, table.c.epoch, table.c.n)
        )
        newest = {(row["device"], row["axis"]): row for row in self._journal.read(query)}
        by_hand = self._set_by_hand(campaign) if newest else {}
        return {
            key: row["value"]
            for key, row in newest.items()
            if row["state"] == "confirmed" and (row["epoch"], row["prepared_s"]) >= by_hand.get(key, (0, 0.0))
        }

    def _set_by_hand(self, campaign: str) -> dict[tuple[str, str], tuple[int, float]]:
        """When people set axes of a campaign's instruments by hand last: epoch and lab time, by their names."""
        table, kept = schema.intent, schema.campaign
        deck = sa.select(kept.c.instruments).where(kept.c.id == campaign).scalar_subquery()
        others = sa.select(kept.c.id).where(kept.c.name == BY_HAND, kept.c.instruments == deck, kept.c.id != campaign)
        names = ("device", "axis", "epoch", "prepared_s")
        sets = (table.c.campaign.in_(others), table.c.kind == "set", table.c.state != "absent")
        query = sa.select(*(table.c[name] for name in names)).where(*sets).order_by(table.c.epoch, table.c.prepared_s)
        return {(row["device"], row["axis"]): (row["epoch"], row["prepared_s"]) for row in self._journal.read(query)}

    @staticmethod
    def _keep(connection: sa.Connection, observation: Observation) -> None:
        seen = schema.observation
        newest = sa.select(sa.func.coalesce(sa.func.max(seen.c.version), 0)).where(
            seen.c.step_id == observation.step_id, seen.c.n == observation.n
        )
        connection.execute(
            sa.insert(seen).values(
                **{name: getattr(observation, name) for name in _OBSERVATION},
                version=int(connection.execute(newest).scalar() or 0) + 1,
                reading=orjson.dumps(observation.reading, option=orjson.OPT_SERIALIZE_NUMPY).decode(),
            )
        )


def decide(connection: sa.Connection, intent: Intent) -> None:
    """Bring an intent to a new state.

    Raises:
        IllegalTransitionError: it cannot get there from where it is.
    """
    table = schema.intent
    allowed = [old for old, new in TRANSITIONS["intent"].items() if intent.state in new]
    mine = (table.c.step_id == intent.step_id) & (table.c.n == intent.n) & (table.c.attempt == intent.attempt)
    changed = connection.execute(
        sa.update(table)
        .where(mine, table.c.state.in_(allowed))
        .values(
            state=intent.state,
            words=intent.words,
            decided_by=intent.decided_by,
            decided_s=intent.decided_s,
            counted=intent.counted,
            result=None if intent.result is None else orjson.dumps(intent.result).decode(),
        )
    ).rowcount
    if changed != 1:
        old = connection.execute(sa.select(table.c.state).where(mine)).scalar()
        raise IllegalTransitionError(
            f"intent {intent.key} attempt {intent.attempt} is {old} and cannot become {intent.state}"
        )


def settle(
    step_id: str,
    n: int,
    state: IntentState,
    words: str,
    by: str,
    lab_time_s: float,
    part: Part | None = None,
    follow: Follow = "",
) -> Any:
    """What a person's answer makes of the newest attempt of an intent, to be done in the answer's transaction.

    Args:
        step_id: of the step.
        n: number of the operation in it.
        state: confirmed or absent.
        words: the person's reason.
        by: who has answered.
        lab_time_s: when.
        part: what its device has counted, where only that is confirmed.
        follow: what comes after the part.
    """
    table = schema.intent

    def work(connection: sa.Connection) -> None:
        mine = (table.c.step_id == step_id) & (table.c.n == n)
        row = (
            connection.execute(sa.select(table).where(mine).order_by(table.c.attempt.desc()).limit(1)).mappings().one()
        )
        found = _intent(row)
        if found.state in ("prepared", "unknown"):
            new: dict[str, Any] = {"state": state, "words": words, "decided_by": by, "decided_s": lab_time_s}
            if part is None:
                decide(connection, found.model_copy(update=new))
                return
            new["counted"] = part.counted
            new["words"] = f"{part.what} counts {part.counted:g} of {found.value:g} {part.unit}; {words}"
            decide(connection, found.model_copy(update=new))
            counted = {"value": part.counted, "amount": part.counted_amount, "asked": part.asked, "follow": follow}
            newest = mine & (table.c.attempt == found.attempt)
            connection.execute(sa.update(table).where(newest).values(**counted))

    return work


def supersede(step_id: str) -> Any:
    """Let a retried step do again what is harmless to do again, to be done in the transaction that retries it.

    All that came after its last operation that must not be repeated, done or in doubt, and what that has measured:
    readings, waits, set-points.
    """
    table, seen = schema.intent, schema.observation

    def work(connection: sa.Connection) -> None:
        once = (table.c.reconcile != "by_state") & (table.c.state != "absent")
        numbers = sa.select(table.c.n).where(table.c.step_id == step_id, once)
        kept = [int(n) for n in connection.execute(numbers).scalars()]
        keys = [f"{step_id}#{n}" for n in kept]
        read = sa.select(seen.c.n).where(seen.c.step_id == step_id, seen.c.intent.in_(keys))
        after = max([*kept, *connection.execute(read).scalars()], default=-1)
        for one in (table, seen):
            connection.execute(sa.update(one).where(one.c.step_id == step_id, one.c.n > after).values(superseded=True))

    return work


def _label(what: str, one: Intent | Observation) -> str:
    return f"{what}:{one.step}"


def _intent(row: Any) -> Intent:
    result = None if row["result"] is None else orjson.loads(row["result"])
    return Intent(**{name: row[name] for name in _INTENT}, result=result)


def _observation(row: Any) -> Observation:
    return Observation(**{name: row[name] for name in _OBSERVATION}, reading=orjson.loads(row["reading"]))
