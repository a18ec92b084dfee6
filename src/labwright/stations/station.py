"""A station in this process: a RunEngine in a thread of its own that carries out one step at a time."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bluesky import RunEngine
from bluesky.utils import FailedStatus, Msg, RunEngineInterrupted

from labwright.clock import Actor, LabClock
from labwright.lab.classes import place_of
from labwright.lab.together import tell_all
from labwright.model.errors import (
    ConfigError,
    DeviceError,
    LabwrightError,
    RefusedError,
    StoppedError,
    unknown,
)
from labwright.model.lab import LabModel
from labwright.model.latch import LatchScope, latch_station
from labwright.model.protocol import FaultClass, StepOrder, StepOutcome, move_timeout_s
from labwright.model.stations import StationSpec
from labwright.stations.card_runs import NOT_TOLD
from labwright.stations.gate import Gate, TimeLimit
from labwright.stations.keeper import StepKeeper
from labwright.stations.link import (
    REMEMBERED,
    Fence,
    Finished,
    NumberedOutcome,
    OutcomeLog,
    blame,
    fault_of,
    not_started,
)
from labwright.stations.loop import station_loop
from labwright.stations.operations import DoubtError, StepOperations
from labwright.stations.protocol import LabProtocol, Plan, StepContext
from labwright.stations.results import StepResults, checked_results
from labwright.stations.schema import check_once_a_shape
from labwright.stations.stubs import trigger_and_read
from labwright.stations.uses import Uses

_log = logging.getLogger(__name__)

JOIN_S = 10.0
"""Wall seconds that closing waits for a step that is being stopped."""

_message: Any = Msg
"""Bluesky's messages carry no types."""

Journal = Callable[[str, dict[str, Any]], None]


@dataclass(frozen=True)
class _Running:
    """A step that was accepted, with the protocol of its campaign."""

    order: StepOrder
    protocol: LabProtocol
    timeout_s: float
    epoch: int


class Station:
    """The in-process `StationLink`; `know` gives it the protocols of each campaign that uses it.

    Args:
        name: of the station.
        spec: its devices by role.
        devices: all open devices of the lab.
        lab: the lab as data.
        clock: the lab clock.
        journal: takes every document before anything else does; if it raises, the run ends.
        keeper: of intents, outcomes and observations.
        finished: called with the outcome of each step, from the station's thread; with that of a step that was not
            started from the caller's.
        scan_id: gives every run a number of its own; each station counts for itself without.
        lab_hash: hash of the lab folder, recorded in every run.
        simulated: recorded in every run.
        data: the data folder, in which steps keep files.
        carriers: moves that it can carry out, by transport.
        own: names of its devices that nothing else uses; those that no other station has if None.
    """

    def __init__(
        self,
        name: str,
        spec: StationSpec,
        *,
        devices: Mapping[str, Any],
        lab: LabModel,
        clock: LabClock,
        journal: Journal,
        keeper: StepKeeper,
        finished: Finished,
        scan_id: Callable[[Any], int] | None = None,
        lab_hash: str = "",
        simulated: bool = False,
        data: Path | None = None,
        carriers: Mapping[str, LabProtocol] = {},
        own: Collection[str] | None = None,
    ) -> None:
        self.name = name
        self.title = spec.title
        self._devices = {
            role: devices[of_role] if isinstance(of_role, str) else tuple(devices[one] for one in of_role)
            for role, of_role in spec.devices.items()
        }
        self._sources = {source: devices[one.device] for source, one in lab.sources_at(name).items()}
        of_sources = tuple(one.device for one in lab.sources_at(name).values())
        self._every = [devices[one] for one in dict.fromkeys((*_device_names(spec), *of_sources))]
        self._monitors = [devices[one] for one in spec.monitors]
        self._here = {one.name: one for one in (*self._every, *self._monitors)}
        others = {
            one for key, other in lab.stations.items() if key != name for one in (*lab.devices_at(key), *other.monitors)
        }
        self._own = [one for one in self._every if (one.name not in others if own is None else one.name in own)]
        self._carriers = dict(carriers)
        self._lab = lab
        self._protocols: dict[str, Mapping[str, LabProtocol]] = {}
        self._clock = clock
        self._reported = OutcomeLog(finished)
        self._record = {"lab": lab.name, "lab_sha256": lab_hash, "simulated": simulated, "station": name}
        self._keeper = keeper
        self._uses = Uses(lab)
        self._data = data
        self._fence = Fence(name)
        self._outcomes: OrderedDict[str, StepOutcome] = OrderedDict()
        self._operations: StepOperations | None = None
        self._running: _Running | None = None
        self._timer: _Timer | None = None
        self._closed = False
        self._runner: threading.Thread | None = None
        self._orders: queue.SimpleQueue[_Running | None] = queue.SimpleQueue()
        self._actor: Actor = clock.actor(f"station {name}")
        check_once_a_shape()
        # No signal handlers: the engine runs in a thread, and Ctrl-C belongs to the command line.
        self._loop = station_loop()
        self._gate = Gate(name, clock, self._loop)
        engine: Any = RunEngine({}, loop=self._loop, context_managers=[], call_returns_result=True)
        if scan_id is not None:
            engine.scan_id_source = scan_id
        self._engine = engine
        self._engine.subscribe(journal)
        self._engine.waiting_hook = self._waits
        for name in ("set", "trigger", "read"):
            self._engine.register_command(name, self._kept(name, engine._command_registry[name]))  # noqa: SLF001 - no other way to Bluesky's own
        self._engine.register_command("sleep", self._sleep)
        for name in ("pause", "kickoff"):
            self._engine.register_command(name, self._refused(name))

    @property
    def messages(self) -> Any:
        """Called with every message of a plan before it is carried out (Bluesky's `msg_hook`); for tests."""
        return self._engine.msg_hook

    @messages.setter
    def messages(self, hook: Any) -> None:
        self._engine.msg_hook = hook

    def know(self, campaign: str, protocols: Mapping[str, LabProtocol]) -> None:
        """From now on steps of this campaign are carried out by these protocols, by name.

        Two campaigns may have protocols of the same name and different versions.
        """
        with self._gate.lock:
            self._protocols[campaign] = dict(protocols)

    def forget(self, campaign: str) -> None:
        """A campaign has ended: none of its steps comes any more. Its latches stay."""
        with self._gate.lock:
            self._protocols.pop(campaign, None)
            self._gate.pause(campaign, on=False)

    def start(self, order: StepOrder, epoch: int) -> None:
        """Begin a step, or report why not.

        Raises:
            RefusedError: the station knows a newer controller.
        """
        ended: StepOutcome | None = None
        with self._gate.lock:
            self._fence.check(epoch)
            if self._running is not None and self._running.order.step_id == order.step_id:
                return  # said twice: it runs, and its outcome will come
            if not order.resumed:
                ended = self._outcomes.get(order.step_id)
            if ended is None:
                try:
                    self._accept(order, epoch)
                    return
                except LabwrightError as error:
                    ended = not_started(order, str(error), self._clock.now())
                except RuntimeError as error:  # the system gives no thread
                    ended = not_started(order, f"station {self.name}: {error}", self._clock.now())
        self._reported.add(ended, epoch)

    def _accept(self, order: StepOrder, epoch: int) -> None:
        """Hand a step to the station's thread; the lock is held.

        Raises:
            RefusedError: the station is closed or busy.
            ConfigError: the campaign has no such protocol here, or the protocol no such step.
            RuntimeError: no thread can be started.
        """
        if self._closed:
            raise RefusedError(f"station {self.name} is closed")
        if self._running is not None:
            raise RefusedError(f"station {self.name} is busy with {self._running.order.step_id}")
        running = self._of_campaign(order, epoch)
        if self._runner is None or not self._runner.is_alive():
            self._runner = threading.Thread(target=self._work, name=f"station:{self.name}", daemon=True)
            self._runner.start()
        self._gate.open(order.campaign, order.label)
        self._running = running
        self._actor.resume()  # before the caller can wait, so that lab time cannot pass in between
        self._orders.put(running)

    def _of_campaign(self, order: StepOrder, epoch: int) -> _Running:
        if order.move is not None:
            carrier = self._carriers.get(order.protocol)
            if carrier is None:
                raise ConfigError(f"station {self.name}: {unknown('transport', order.protocol, list(self._carriers))}")
            return _Running(order, carrier, order.move.timeout_s or move_timeout_s(order.expected_s), epoch)
        protocols = self._protocols.get(order.campaign)
        if protocols is None:
            raise ConfigError(
                f"station {self.name}: {unknown('campaign with protocols here', order.campaign, list(self._protocols))}"
            )
        protocol = protocols.get(order.protocol)
        if protocol is None:
            raise ConfigError(f"campaign {order.campaign}: {unknown('protocol', order.protocol, list(protocols))}")
        limits_s = {step.name: step.timeout_s for step in protocol.steps}
        if order.step not in limits_s:
            raise ConfigError(f"protocol {order.protocol}: {unknown('step', order.step, list(limits_s))}")
        return _Running(order, protocol, limits_s[order.step], epoch)

    def outcomes(self, after: int = 0) -> list[NumberedOutcome]:
        """What was reported after outcome number `after`, oldest first."""
        return self._reported.after(after)

    def stop(self, step_id: str | None, why: str, *, now: bool, epoch: int) -> None:
        """End a step after its current operation; or now, with its devices halted.

        Args:
            step_id: halted are the devices it has used, and those no other station has. None: whatever runs here, all
                devices, and the station is latched.
            why: for its outcome.
            now: halt devices.
            epoch: of the controller.

        Raises:
            RefusedError: the station knows a newer controller.
        """
        with self._gate.lock:
            self._fence.check(epoch)
            if step_id is None and now and not self._gate.wholly_latched:
                self.latch(latch_station(self.name), why)
            if step_id is not None and not self._runs(step_id):
                return
            self._cut()
            self._gate.stop(why)
            devices = self._all() if step_id is None else self._of_the_step()
        if now:
            self._halt(devices, why)

    def latch(self, scope: LatchScope, why: str) -> None:
        """Begin nothing of a scope any more; no wire is touched, so that it takes no time."""
        with self._gate.lock:
            if self._gate.latch(scope, why):
                self._cut()

    def reset(self, scope: LatchScope) -> None:
        """Let what `latch` has held with this very scope start again; a step that it has ended stays ended."""
        with self._gate.lock:
            self._gate.reset(scope)

    def _cut(self) -> None:
        """End the wait of the step that runs; the lock is held."""
        if self._timer is not None:
            self._timer.cut()

    def _runs(self, step_id: str) -> bool:
        return self._running is not None and self._running.order.step_id == step_id

    def _of_the_step(self) -> list[Any]:
        """Devices that the step that runs has used, and those that no other station has."""
        used = self._operations.begun if self._operations is not None else []
        return [*used, *(one for one in self._own if one not in used)]

    def _halt(self, devices: list[Any], why: str) -> None:
        for device in [one for one in devices if hasattr(one, "end_acts")]:
            device.end_acts(why)  # no wire yet: nothing begins any more on any of them
        self._tell("stop", devices)

    def _too_long(self, step_id: str, why: str) -> None:
        """End a step that has used up its time: with the devices it uses, and no others'."""
        with self._gate.lock:
            if not self._runs(step_id):
                return  # it has ended meanwhile
            self._cut()
            self._gate.stop(why)
            begun = self._operations.begun if self._operations is not None else []
        self._halt([one for one in begun if hasattr(one, "end_acts")], why)

    def pause(self, campaign: str, *, on: bool, epoch: int) -> None:
        """Let no operation of a campaign's steps begin any more, or let them begin again; what is under way ends.

        Raises:
            RefusedError: the station knows a newer controller.
        """
        with self._gate.lock:
            self._fence.check(epoch)
            self._gate.pause(campaign, on=on)

    def close(self) -> None:
        """Stop now and make every device safe, all at once; what fails is logged."""
        with self._gate.lock:
            running = self._running is not None
        self.latch(latch_station(self.name), "the station closes")
        if running:
            self._halt(self._all(), "the station closes")
        self._tell("make_safe", self._all())
        with self._gate.lock:
            if self._closed:
                return
            self._closed = True
        if self._runner is not None:
            self._orders.put(None)
            self._runner.join(JOIN_S)
        self._actor.close()
        if self._runner is None or not self._runner.is_alive():
            self._end_loop()

    def _end_loop(self) -> None:
        """End the loop that Bluesky started in a thread and would leave running for ever."""

        async def here() -> threading.Thread:
            return threading.current_thread()

        thread = asyncio.run_coroutine_threadsafe(here(), self._loop).result(JOIN_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        thread.join(JOIN_S)
        self._loop.close()

    def _tell(self, what: str, devices: list[Any]) -> None:
        """Call a method of all devices at once; what fails is logged."""
        for name, why in tell_all({one.name: one for one in devices}, what).items():
            _log.error("station %s: %s: %s failed: %s", self.name, name, what, why)

    def _all(self) -> list[Any]:
        return list(self._every)

    def _work(self) -> None:
        """The station's thread: one for all steps, for a new one has to wait its turn before it can begin."""
        while (running := self._orders.get()) is not None:
            self._run(running)

    def _run(self, running: _Running) -> None:
        order = running.order
        started_s = self._clock.now()
        found: dict[str, Any] = {}
        state: Any = "done"
        error, kind = "", None
        fault: FaultClass | None = None
        uids: list[str] = []
        doubt: int | None = None
        value_lost = False
        watch = TimeLimit(self._gate, self._clock, order.step_id, running.timeout_s, self._too_long)
        self._operations = None
        try:
            self._gate.check()  # a latched station has not started this step
            self._operations = StepOperations(order, self._keeper, self._clock, self._actor, self._gate, self._uses)
            self._engine(self._plan(order, running.protocol, found, uids))
        except (LabwrightError, FailedStatus, RunEngineInterrupted) as raised:
            cause = _cause(raised)
            # Stopped from elsewhere, a device has failed this step; only a stop of this station is one of the step.
            stopped = isinstance(cause, StoppedError) and self._gate.stopped is not None
            state, kind = ("stopped", "aborted") if stopped else ("failed", blame(cause))
            state = "unknown" if isinstance(cause, DoubtError) else state
            fault = fault_of(cause) if state == "failed" else None
            error = _words(cause)
        except Exception as raised:  # noqa: BLE001 - a protocol's mistake, whatever it raises, ends its step and not the lab
            state, kind, fault, error = "failed", "equipment", "plan", f"in the plan, {_words(raised)}"
        watch.cancel()
        if watch.words and state != "done":
            state, kind, fault, error = "failed", "equipment", "timeout", watch.words
        operations = self._operations
        if operations is not None and operations.doubt is not None:
            doubt, value_lost = operations.doubt.n, operations.doubt.kind == "measure"
        outcome = StepOutcome(
            step_id=order.step_id,
            state=state,
            results=found if state == "done" else {},
            fail_kind=kind,
            fault=fault,
            error=error,
            doubt=doubt,
            value_lost=value_lost,
            run_uids=tuple(uids),
            used=operations.used if operations is not None else {},
            part=operations.part if operations is not None else None,
            kept=operations.kept if operations is not None else 0 if not order.resumed else None,
            started_s=started_s,
            ended_s=self._clock.now(),
        )
        outcomes = [outcome, *(_of_member(outcome, member) for member in order.batch)]
        with self._gate.lock:
            self._outcomes |= {one.step_id: one for one in outcomes}
            while len(self._outcomes) > REMEMBERED:
                self._outcomes.popitem(last=False)
            self._running = None
        try:
            for one in outcomes:
                self._reported.add(one, running.epoch)
        finally:
            self._actor.park()

    def _plan(self, order: StepOrder, protocol: LabProtocol, found: dict[str, Any], uids: list[str]) -> Plan:
        """Open a run, read the monitors, do the step, put its results into the run, close it."""
        context = StepContext(
            order, self._devices, self._lab, self._clock, self._gate.check, self._data, self._sources,
            self._uses.choose, self._here,
        )  # fmt: skip
        # Everything under one key: some top-level names in a start document are swallowed or break the plan.
        # What has its default is left out: Bluesky checks every key of every start document against a schema.
        told = order.model_dump(mode="json", exclude=NOT_TOLD, exclude_defaults=True)
        if order.batch:
            told["batch"] = [member.sample for member in order.batch]
        labwright = {**self._record, **told}
        labwright["lab_time_s"] = self._clock.now()
        # Messages as they are: Bluesky's stubs look at the call stack each time.
        uids.append((yield _message("open_run", None, labwright=labwright, sample=order.sample)))
        status, reason = "fail", ""
        try:
            if self._monitors:  # read again after a crash, too: what they report must be true now
                self._operations_now.off = True
                yield from trigger_and_read(self._monitors, "environment")
                self._operations_now.off = False
            results = yield from protocol.plan(context)
            yield from self._all_ended()
            found.update(checked_results(results, protocol.spec, order.step, self._data))
            readable = StepResults(found, protocol.results, self._clock)
            if readable:
                yield _message("create", None, name="results")
                yield _message("read", readable)
                yield _message("save")
            status = "success"
            # All of its operations have ended: what still moves there is another sample's, and is not to be stopped.
            self._engine._movable_objs_touched.clear()  # noqa: SLF001 - no other way
        except GeneratorExit:
            raise
        except BaseException as error:
            cause = _cause(error)
            status, reason = ("abort" if isinstance(cause, StoppedError) else "fail"), str(cause)
            if isinstance(error, SystemExit):  # it would end Bluesky's loop and leave everybody waiting
                raise DeviceError(f"{place_of(error)}the plan tried to end the program") from error
            raise
        finally:
            yield _message("close_run", None, exit_status=status, reason=reason)

    @property
    def _operations_now(self) -> StepOperations:
        if self._operations is None:
            raise RefusedError(f"station {self.name} carries out no step")
        return self._operations

    def _all_ended(self) -> Plan:
        """Wait for operations that the plan has started and not waited for."""
        if self._operations_now.pending:
            yield _message("wait_for", None, [self._operations_now.finish])

    def _kept(self, name: str, command: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Bluesky's command, by way of the step's operations."""

        async def kept(message: Any) -> Any:
            return await getattr(self._operations_now, name)(message, command)

        return kept

    def _refused(self, name: str) -> Callable[[Any], Any]:
        """A command that a station's plans must not use."""

        async def refused(message: Any) -> Any:
            raise DeviceError(
                f"station {self.name}: a plan's {name!r} is not carried out: a RunEngine's pause repeats what was done "
                "since its last checkpoint, and a flyer cannot be asked what it has done"
            )

        return refused

    def _waits(self, statuses: Any) -> None:
        """Bluesky's waiting hook: while the plan waits for devices, lab time may pass."""
        if statuses is None:
            self._actor.resume()
        else:
            self._actor.park(statuses)

    async def _sleep(self, message: Any) -> None:
        """Bluesky's sleep message, on the lab clock."""
        await self._operations_now.sleep(message, self._wait_s)

    async def _wait_s(self, seconds: float) -> None:
        status = _Timer(self._clock, seconds)
        with self._gate.lock:
            self._timer = status
            if self._gate.stopped is not None:
                status.cut()
        done = asyncio.Event()
        loop = asyncio.get_running_loop()

        def over(_: Any) -> None:
            loop.call_soon_threadsafe(done.set)

        status.add_callback(over)
        status.start()
        self._actor.park([status])
        await done.wait()
        self._actor.resume()
        with self._gate.lock:
            self._timer = None
        if status.was_cut:
            self._gate.check()  # into the plan, so that half a stir does not pass for a whole one


def _of_member(outcome: StepOutcome, member: StepOrder) -> StepOutcome:
    """How a batch ended for another of its samples: what was done, and what is in doubt, is recorded with the first."""
    update: dict[str, Any] = {"step_id": member.step_id, "doubt": None, "part": None, "used": {}, "value_lost": False}
    if outcome.doubt is not None:
        words = f"its batch is in doubt, see {outcome.step_id}: {outcome.error}"
        update |= {"state": "failed", "fail_kind": "equipment", "fault": "equipment", "error": words}
    return outcome.model_copy(update=update)


def _device_names(spec: StationSpec) -> tuple[str, ...]:
    return (*spec.role_devices, *spec.monitors)


class _Timer:
    """A wait on the lab clock with the face of a status; a stop need not wait for a long stir to end."""

    success = True

    def __init__(self, clock: LabClock, seconds: float) -> None:
        self._actor = clock.actor(f"wait {seconds:g} s", busy=True)
        self._seconds = seconds
        self._lock = threading.Lock()
        self._calls: list[Callable[[Any], None]] = []
        self._over = False
        self.was_cut = False

    def add_callback(self, call: Callable[[Any], None]) -> None:
        with self._lock:
            if not self._over:
                self._calls.append(call)
                return
        call(self)

    def start(self) -> None:
        threading.Thread(target=self._run, name="lab wait", daemon=True).start()

    def cut(self) -> None:
        """End the wait now."""
        self.was_cut = True
        self._actor.interrupt()

    def _run(self) -> None:
        self._actor.sleep(self._seconds)
        with self._lock:
            self._over = True
            calls = list(self._calls)
        for call in calls:
            call(self)
        self._actor.close()


def _cause(error: BaseException) -> BaseException:
    """What a failed status was failed with."""
    while isinstance(error, FailedStatus) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _words(cause: BaseException) -> str:
    """A fault in its own words; a mistake in the lab's code with its place."""
    return f"{cause}" if isinstance(cause, LabwrightError) else f"{place_of(cause)}{type(cause).__name__}: {cause}"
