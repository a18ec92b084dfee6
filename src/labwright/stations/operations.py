"""Every physical operation once: it is recorded before and after, and what was done is not done again.

A station's RunEngine carries out plain Bluesky plans. Its messages `set`, `trigger`, `read` and `sleep` come here
first: each has a number in its step, and is found by that number when the step is carried out again after a
crash. What was confirmed is not repeated, what was read is read from the journal, what is in doubt is reconciled with
the device as its driver declares, and if that leaves a doubt, by a person.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from bluesky.utils import maybe_await

from labwright.clock import Actor, LabClock
from labwright.model.errors import (
    ActTimeoutError,
    CommunicationError,
    DeviceError,
    LabwrightError,
    LimitError,
    StoppedError,
)
from labwright.model.material import Part, Used, total
from labwright.model.operations import Evidence, Reconcile
from labwright.model.protocol import StepOrder
from labwright.model.records import Intent, Observation, OperationKind, StepRecord
from labwright.stations.gate import Gate, PausedError
from labwright.stations.keeper import StepKeeper
from labwright.stations.outcome import Begun, Outcome, Retold
from labwright.stations.results import StepResults
from labwright.stations.uses import Uses

_log = logging.getLogger(__name__)

_ROUNDING = 1e-9  # relative: what a sum of parts may be off from the whole

Command = Callable[[Any], Awaitable[Any]]

TRIES = 3
"""How often an operation is sent that has certainly not happened, because its command was lost on the way."""

REACH_S = 60.0
"""Wall seconds a device that does not answer is asked whether it has done something, before a person is."""

ASK_AGAIN_S = (0.2, 0.5, 1.0, 2.0, 5.0)


class DoubtError(DeviceError):
    """An operation may or may not have happened, and the device does not know.

    Args:
        intent: the operation.
        words: what is known of it.
    """

    def __init__(self, intent: Intent, words: str) -> None:
        super().__init__(f"{intent.what} may or may not have happened: {words}")
        self.intent = intent


class DivergedError(LabwrightError):
    """The plan takes another way than before the crash."""


@dataclass(frozen=True)
class _Operation:
    """Something physical, as a plan asks for it."""

    kind: OperationKind
    thing: Any
    value: float | None
    act: Callable[[Intent], Any]
    find_out: Callable[[Intent], Any] | None

    @property
    def way(self) -> Reconcile:
        """How doubt about it is settled."""
        return _way(self.thing)

    @property
    def device(self) -> Any:
        """Whose operation it is."""
        return getattr(self.thing, "parent", None) or self.thing

    @property
    def names(self) -> tuple[str, str]:
        """Device and axis."""
        parent = getattr(self.thing, "parent", None)
        return (self.thing.name, "") if parent is None else (parent.name, self.thing.attr_name)


class StepOperations:
    """The operations of one step.

    Args:
        order: the step.
        keeper: of its records.
        clock: the lab clock.
        actor: of the station, parked while it waits.
        gate: of the station.
        uses: what operations take of the lab's stocks; None where nothing does.
    """

    def __init__(
        self,
        order: StepOrder,
        keeper: StepKeeper,
        clock: LabClock,
        actor: Actor,
        gate: Gate,
        uses: Uses | None = None,
    ) -> None:
        self._order = order
        self._mine: dict[str, Any] = {
            "step_id": order.step_id,
            "campaign": order.campaign,
            "label": order.label,
            "step": order.step,
        }
        self._keeper = keeper
        self._clock = clock
        self._actor = actor
        self._gate = gate
        self._record = keeper.recall(order.step_id) if order.resumed else StepRecord()
        self._uses = uses
        self._taking = {(one.n, one.attempt): one for one in self._record.taking}
        self._once = set(self._record.once)
        self._next = 0
        self._told: dict[Any, Retold] = {}
        self._measured: dict[Any, Intent] = {}
        self._found_out: dict[Any, str] = {}
        self._begun: list[Any] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self.off = False
        """While set, nothing is recorded: what is read now must be read again after a crash (monitors)."""
        self.doubt: Intent | None = None
        self.part: Part | None = None
        """Of the operation in doubt, where its device has counted some of it."""

    @property
    def used(self) -> dict[str, Used]:
        """What this step has taken of the stocks, in all its attempts."""
        return total((one.stock, one.used) for one in self._taking.values())

    @property
    def kept(self) -> int:
        """How many of its operations have happened, or may have, that are not done again when it is repeated."""
        return len({n for n, _ in self._once})

    async def set(self, message: Any, command: Command) -> Any:
        """Bluesky's `set`: an operation of an axis."""
        axis = message.obj
        if len(message.args) != 1:
            raise DeviceError(f"{axis.name}: a station sets one value at a time, not {message.args!r}")
        (value,) = message.args
        kwargs = {key: one for key, one in message.kwargs.items() if key != "group"}
        operation = _Operation(
            "set",
            axis,
            value,
            lambda intent: axis.set(_value(value, intent), **kwargs, **_ids(axis, intent)),
            (lambda intent: axis.find_out(_value(value, intent), intent.witness, intent.command_id))
            if _can_tell(axis)
            else None,
        )
        return await command(message._replace(obj=Begun(axis, await self._operation(operation))))

    async def trigger(self, message: Any, command: Command) -> Any:
        """Bluesky's `trigger`: a measurement, confirmed together with what it has measured when that is read."""
        device = message.obj
        if self.off or not _measures(device):
            await self._gate.wait(self._actor)
            return await command(message)
        operation = _Operation(
            "measure",
            device,
            None,
            lambda intent: device.trigger(**_ids(device, intent)),
            (lambda intent: device.find_out_measurement(intent.command_id)) if _can_tell(device) else None,
        )
        return await command(message._replace(obj=Begun(device, await self._operation(operation))))

    async def read(self, message: Any, command: Command) -> Any:
        """Bluesky's `read`: recorded before the plan gets it; from the journal if it was read before."""
        device = message.obj
        if self.off or isinstance(device, StepResults):
            return await command(message)
        n = self._number()
        known = self._record.observations.get(n)
        if known is not None:
            self._same(n, f"{known.device} was read", f"{device.name} is", known.device == device.name)
            reading = known.reading
        else:
            if n in self._record.intents:
                self._same(n, self._record.intents[n].what, f"{device.name} is read", False)
            reading = await maybe_await(device.read())
            intent = self._measured.pop(device, None)
            key = intent.key if intent else self._found_out.pop(device, "")
            seen = Observation(
                **self._mine,
                n=n,
                device=device.name,
                intent=key,
                reading=_kept(reading),
                lab_time_s=self._clock.now(),
            )
            if intent is None:
                self._keeper.observe(seen)
            else:
                self._decide(intent, "confirmed", "reply", seen=seen)
        told = self._told.setdefault(device, Retold(device))
        told.reading = reading
        return await command(message._replace(obj=told))

    async def sleep(self, message: Any, wait: Callable[[float], Awaitable[None]]) -> None:
        """Bluesky's `sleep`: what was waited before a crash is not waited again."""
        seconds = float(message.args[0])
        n = self._number()
        known = self._known(n, "wait", "", "", seconds)
        if known is None:
            await self._gate.wait(self._actor)
            intent = self._new(n, "wait", "", "", seconds, "by_state", None)
            self._keeper.prepare(intent.model_copy(update={"state": "confirmed", "decided_by": "clock"}))
        elif self._record.last > n:
            return  # what comes after it has started: the wait is over
        else:
            # A clock that was set back in between must not make the wait longer than it is.
            seconds = min(max(0.0, known.prepared_s + seconds - self._clock.now()), seconds)
        await wait(seconds)

    @property
    def begun(self) -> list[Any]:
        """Devices on which this step has started something, before a crash or since."""
        return list(self._begun)

    @property
    def pending(self) -> bool:
        """Whether something is under way, or measured and not read."""
        return bool(self._under_way or self._measured)

    async def finish(self) -> None:
        """Wait for what the plan has not waited for, and confirm measurements that were not read."""
        while self._under_way:
            self._actor.park()
            await asyncio.wait(self._under_way)
            self._actor.resume()
        for intent in self._measured.values():
            self._decide(intent, "confirmed", "reply")
        self._measured.clear()

    async def _operation(self, one: _Operation) -> Outcome:
        """Start an operation, or find that it has happened; its outcome ends when that is recorded."""
        n = self._number()
        device, axis = one.names
        outcome = Outcome(one.value)
        known = self._known(n, one.kind, device, axis, one.value)
        kept = self._record.intents.get(n)
        before = 0.0 if kept is None else kept.before  # an attempt at the rest that did not happen is tried again
        if known is not None:
            self._use(one.device)
        if known is not None and known.state in ("prepared", "unknown"):
            known = await self._settled(known, one)
            if known.state == "unknown":
                raise DoubtError(self._doubted(known, one), known.words)
            self._record.attempts[n] = known.attempt
        if known is not None and known.state == "confirmed" and known.follow == "":
            await self._recall(known, one)
            outcome.value = _done(known, one.value)
            outcome.end()
            return outcome
        if known is not None and known.state == "confirmed":
            # A person has looked: what is missing comes now, or the whole once more.
            before = _done(known, one.value) or 0.0 if known.follow == "rest" else 0.0
        intent = await self._about_to_begin(n, one, self._actor, before)
        self._follow(intent, await self._sent(intent, one, self._actor), outcome, one)
        return outcome

    async def _about_to_begin(self, n: int, one: _Operation, actor: Actor, before: float) -> Intent:
        """The intent of the next attempt, once the gate is open and the device is ready.

        Making ready takes some exchanges on the wire. A pause that comes meanwhile holds this operation too, and when
        the campaign resumes the device may have lost its settings.
        """
        while True:
            await self._gate.wait(actor)
            intent = self._made_ready(n, one, before)
            if not self._gate.paused:
                return intent

    async def _sent(self, intent: Intent, one: _Operation, actor: Actor) -> Any:
        """Keep the intent, and let its command go out; not before a pause that came meanwhile is over."""
        self._keeper.prepare(intent)
        self._note(intent)
        self._use(one.device)
        try:
            while True:
                try:
                    return self._gate.begin(lambda: one.act(intent))
                except PausedError:
                    await self._gate.wait(actor)
                    self._made_ready(intent.n, one, intent.before)
        except LabwrightError as error:
            self._decide(intent, "absent", "reply", f"nothing was sent: {error}")
            raise

    def _use(self, device: Any) -> None:
        if device not in self._begun:
            self._begun.append(device)

    def _follow(self, intent: Intent, status: Any, outcome: Outcome, one: _Operation) -> None:
        """Keep how it ends, in a task of its own; the plan meanwhile may begin something else."""
        actor = self._clock.actor(intent.what, busy=True)

        async def follow() -> None:
            error: BaseException | None
            try:
                error = await self._to_the_end(intent, status, actor, one)
            except Exception as raised:  # noqa: BLE001 - whatever it is must end the outcome, or the plan waits for ever
                error = raised
            outcome.end(error)
            actor.close()

        task = asyncio.get_running_loop().create_task(follow())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _to_the_end(self, intent: Intent, status: Any, actor: Actor, one: _Operation) -> BaseException | None:
        """Until its outcome is recorded; sent again only if it has certainly not happened."""
        while True:
            error = await _ended(status, actor)
            if error is None:
                self._done(intent, one)
                return None
            if isinstance(error, StoppedError) and self._can_be_asked_now(intent, one):
                # Its step has used up its time, or its device was stopped for another's: how much of it was done?
                intent = await self._asked(intent, actor, one, f"cut short: {error}")
                if intent.state == "unknown":
                    self._doubted(intent, one)
                return error
            if isinstance(error, StoppedError):
                self._decide(intent, "unknown", "reply", f"cut short: {error}")
                if intent.reconcile != "by_state":
                    self._doubted(intent, one)
                return error
            if intent.kind == "measure" and intent.reconcile != "by_command_id":
                self._decide(intent, "absent", "reply", f"no value: {error}")
                return error
            intent = await self._asked(intent, actor, one, f"{error}")
            lost = isinstance(error, CommunicationError)
            if intent.state == "unknown":
                doubt = DoubtError(self._doubted(intent, one), intent.words)
                error.add_note(str(doubt))
                return doubt if lost else error
            if intent.state == "confirmed":
                lost = lost or isinstance(error, ActTimeoutError)  # its end was not seen, but it has ended
                if lost and intent.kind == "measure":
                    self._found_out[one.thing] = intent.key
                return None if lost else error
            if not lost or intent.attempt >= TRIES:
                return error
            self._record.attempts[intent.n] = intent.attempt
            intent = await self._about_to_begin(intent.n, one, actor, intent.before)
            status = await self._sent(intent, one, actor)

    def _can_be_asked_now(self, intent: Intent, one: _Operation) -> bool:
        """Whether the device of an operation that was cut short may be asked; after a stop it is left alone."""
        tells = intent.kind == "set" and intent.reconcile in ("by_counter", "by_command_id")
        return tells and one.find_out is not None and not self._gate.latched

    def _done(self, intent: Intent, one: _Operation) -> None:
        if intent.kind == "measure":
            self._measured[one.thing] = intent
        else:
            self._decide(intent, "confirmed", "reply")

    async def _recall(self, intent: Intent, one: _Operation) -> None:
        """A measurement that was confirmed but not read before the crash: the device gives it once more."""
        if intent.kind != "measure" or any(seen.intent == intent.key for seen in self._record.observations.values()):
            return
        if intent.decided_by not in ("reply", "evidence"):
            raise DeviceError(
                f"{intent.what}: {intent.decided_by} states that it did, but its value was not recorded and "
                f"{intent.device} cannot give it again; give the sample up, or have it measured again"
            )
        self._found_out[one.thing] = intent.key
        if one.find_out is not None and intent.reconcile == "by_command_id" and intent.epoch != self._keeper.epoch:
            self._actor.park()
            actor = self._clock.actor(f"ask about {intent.what}", busy=True)
            try:
                if error := await _ended(one.find_out(intent), actor):
                    raise error
            finally:
                self._actor.resume()
                actor.close()

    async def _settled(self, intent: Intent, one: _Operation) -> Intent:
        """What a crash has left open, settled as the driver declares."""
        if intent.kind == "measure" and intent.reconcile != "by_command_id":
            harmless = intent.reconcile == "by_state"
            words = "measuring again is harmless" if harmless else "its value is lost, and measuring changes the sample"
            return self._keep(intent, Evidence(state="absent" if harmless else "unknown", words=words))
        actor = self._clock.actor(f"ask about {intent.what}", busy=True)
        self._actor.park()
        try:
            return await self._asked(intent, actor, one, "the controller ended before it heard of the outcome")
        finally:
            self._actor.resume()
            actor.close()

    async def _asked(self, intent: Intent, actor: Actor, one: _Operation, why: str) -> Intent:
        """Ask the device, for a while if it cannot be reached; the intent as it is recorded afterwards."""
        if one.find_out is None:
            return self._keep(intent, Evidence(state="unknown", words=f"{why}, and {intent.device} cannot be asked"))
        deadline = time.monotonic() + REACH_S
        for wait_s in itertools.chain(ASK_AGAIN_S, itertools.repeat(ASK_AGAIN_S[-1])):
            problem: BaseException | None
            try:
                status = one.find_out(intent)
                problem = await _ended(status, actor)
            except CommunicationError as error:
                problem = error
            if problem is None:
                found: Evidence = status.evidence
                return self._keep(intent, found.model_copy(update={"words": f"{why}; {found.words}"}))
            # The halt of a step that took too long ends this question too, if it comes after it.
            halted = isinstance(problem, StoppedError) and not self._gate.latched
            lost = isinstance(problem, CommunicationError) and self._gate.stopped is None
            # After a stop it is not asked again: closing the station waits for this.
            if not (lost or halted) or time.monotonic() > deadline:
                return self._keep(intent, Evidence(state="unknown", words=f"{why}, and asking fails: {problem}"))
            _log.warning("%s: %s; asking again", intent.what, problem)
            await asyncio.sleep(wait_s)
        raise AssertionError("unreachable")

    def _keep(self, intent: Intent, found: Evidence) -> Intent:
        if intent.state == "unknown" and found.state == "unknown":
            return intent if found.counted is None else intent.model_copy(update={"counted": found.counted})
        return self._decide(intent, found.state, "evidence", found.words, found.result, counted=found.counted)

    def _decide(
        self,
        intent: Intent,
        state: Any,
        by: str,
        words: str = "",
        result: Any = None,
        *,
        counted: float | None = None,
        seen: Observation | None = None,
    ) -> Intent:
        """Write down how an operation came out, with what it has measured."""
        update = {
            "state": state,
            "decided_by": by,
            "words": words,
            "result": result,
            "counted": counted,
            "decided_s": self._clock.now(),
        }
        decided = intent.model_copy(update=update)
        self._keeper.decide(decided, seen)
        self._note(decided)
        return decided

    def _note(self, intent: Intent) -> None:
        """Remember an operation that takes from a stock, or that must not be repeated."""
        key = intent.n, intent.attempt
        if intent.stock:
            self._taking[key] = intent
        if intent.reconcile != "by_state" and intent.state != "absent":
            self._once.add(key)
        else:
            self._once.discard(key)

    def _doubted(self, intent: Intent, one: _Operation) -> Intent:
        if self.doubt is None:
            self.doubt, self.part = intent, self._part(intent, one)
        return intent

    def _part(self, intent: Intent, one: _Operation) -> Part | None:
        """How much of an operation its device has counted; None if it cannot count, or was not asked."""
        if intent.counted is None or intent.whole is None or intent.kind != "set":
            return None
        device, axis = one.names
        found = Part(
            what=f"{device}.{axis}" if axis else device,
            unit=str(getattr(one.thing, "unit", "")),
            asked=intent.whole,
            before=intent.before,
            counted=intent.counted,
            stock=intent.stock,
            amount=intent.amount,
            counted_amount=self._taken(one.thing, intent.counted, intent.before)[1],
        )
        if found.rest <= 0 or found.counted < 0:
            return found.model_copy(update={"no_rest": "nothing is missing by the count"})
        try:
            one.thing.check_value(found.rest)
        except LimitError as error:
            return found.model_copy(update={"no_rest": str(error)})
        return found

    def _taken(self, thing: Any, value: float | None, before: float) -> tuple[str, int]:
        """The stock that an operation takes from, and how much."""
        if self._uses is None or value is None or not (stock := self._uses.stock(thing)):
            return "", 0
        return stock, self._uses.amount(thing, value, before)

    def _number(self) -> int:
        n, self._next = self._next, self._next + 1
        return n

    def _known(self, n: int, kind: OperationKind, device: str, axis: str, value: float | None) -> Intent | None:
        """The operation with this number as it is recorded, if it is.

        Raises:
            DivergedError: it was another one.
        """
        known = self._record.intents.get(n)
        if known is None:
            if n in self._record.observations:
                self._same(n, f"{self._record.observations[n].device} was read", f"{device}.{axis} {kind}", False)
            return None
        same = (known.kind, known.device, known.axis) == (kind, device, axis) and (
            value is None or known.whole is None or math.isclose(known.whole, value, rel_tol=_ROUNDING)
        )
        self._same(n, known.what, f"{device}.{axis} {kind} {value}", same)
        return None if known.state == "absent" else known

    def _same(self, n: int, was: str, now: str, same: bool) -> None:
        if not same:
            raise DivergedError(
                f"{self._order.step_id} takes another way than before: its operation {n} was {was}, now {now}. Has the "
                "protocol or the lab changed? Put it back as it was, or give the sample up"
            )

    def _made_ready(self, n: int, one: _Operation, before: float) -> Intent:
        """The intent of the next attempt; what makes the device ready comes before it, and moves nothing.

        For every attempt: a device that was without power meanwhile has lost its settings.
        """
        witness = None
        value = one.value - before if before and one.value is not None else one.value
        if one.kind == "set" and _can_tell(one.thing):
            one.thing.make_ready(value)
            witness = one.thing.witness()
        device, axis = one.names
        intent = self._new(n, one.kind, device, axis, value, one.way, witness)
        stock, amount = self._taken(one.thing, value, before) if one.kind == "set" else ("", 0)
        return intent.model_copy(
            update={"stock": stock, "amount": amount, "before": before, "asked": one.value if before else None}
        )

    def _new(
        self,
        n: int,
        kind: OperationKind,
        device: str,
        axis: str,
        value: float | None,
        way: Reconcile,
        witness: float | None,
    ) -> Intent:
        return Intent(
            **self._mine,
            n=n,
            attempt=self._record.attempts.get(n, 0) + 1,
            kind=kind,
            device=device,
            axis=axis,
            value=value,
            reconcile=way,
            witness=witness,
            epoch=self._keeper.epoch,
            prepared_s=self._clock.now(),
        )


async def _ended(status: Any, actor: Actor) -> BaseException | None:
    """Wait until a status has ended, while lab time may pass; what it failed with."""
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    actor.park([status])  # first: who is parked is busy again in the same breath in which the status ends
    status.add_callback(lambda _: loop.call_soon_threadsafe(over.set))
    await over.wait()
    if status.success:
        return None
    error: BaseException | None = status.exception()
    return error or DeviceError("it failed without a reason")


def _value(value: Any, intent: Intent) -> Any:
    """What an attempt sets: the plan's value, or the rest of it."""
    return value if intent.asked is None else intent.value


def _done(intent: Intent, value: float | None) -> float | None:
    """How much was done of what the plan asked, once an attempt is confirmed."""
    if intent.asked is None or intent.value is None:
        return value
    done = intent.before + intent.value
    return value if value is not None and math.isclose(done, value, rel_tol=_ROUNDING) else done


def _way(thing: Any) -> Reconcile:
    """How doubt about an operation of it is settled; a device that declares nothing leaves it to a person."""
    way: Reconcile = getattr(thing, "reconcile", None) or getattr(thing, "measuring", None) or "ask"
    return way


def _can_tell(thing: Any) -> bool:
    """Whether it is one of our drivers', which can be made ready, and asked."""
    return hasattr(thing, "make_ready") or hasattr(thing, "find_out_measurement")


def _ids(thing: Any, intent: Intent) -> dict[str, Any]:
    """What a driver of ours takes besides the value."""
    if hasattr(thing, "make_ready") or _way(thing) == "by_command_id":
        return {"command_id": intent.command_id, "epoch": intent.epoch}
    return {}


def _measures(device: Any) -> bool:
    """Whether triggering it does something."""
    from ophyd import Device

    trigger = getattr(type(device), "trigger", None)
    return trigger is not None and trigger is not Device.trigger


def _kept(reading: Any) -> dict[str, dict[str, Any]]:
    """A reading as JSON, numpy's numbers and arrays included."""
    return {
        key: {name: part.tolist() if hasattr(part, "tolist") else part for name, part in one.items()}
        for key, one in reading.items()
    }
