"""A station in this process: a RunEngine in a thread of its own that carries out one step at a time."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import bluesky.plan_stubs as bps
from bluesky import RunEngine
from bluesky.utils import FailedStatus, Msg, RunEngineInterrupted

from labwright.clock import Actor, LabClock
from labwright.lab.classes import place_of
from labwright.lab.together import tell_all
from labwright.model.errors import (
    DeviceError,
    InfeasibleError,
    LabwrightError,
    OutOfRangeError,
    RefusedError,
    StoppedError,
)
from labwright.model.lab import LabModel, StationSpec
from labwright.model.protocol import FailKind, StepOrder, StepOutcome
from labwright.stations.gate import Gate, TimeLimit
from labwright.stations.keeper import StepKeeper
from labwright.stations.link import Finished
from labwright.stations.operations import DoubtError, StepOperations
from labwright.stations.protocol import LabProtocol, Plan, StepContext
from labwright.stations.results import StepResults, checked_results
from labwright.stations.schema import check_once_a_shape
from labwright.stations.uses import Uses

_log = logging.getLogger(__name__)

JOIN_S = 10.0
"""Wall seconds that closing waits for a step that is being stopped."""

REMEMBERED = 100
"""Outcomes that can be polled; the journal has the rest."""

_message: Any = Msg
"""Bluesky's messages carry no types."""

Journal = Callable[[str, dict[str, Any]], None]


class Station:
    """The in-process `StationLink`.

    Args:
        name: of the station.
        spec: its devices by role.
        devices: all open devices of the lab.
        lab: the lab as data.
        protocols: by name.
        clock: the lab clock.
        journal: takes every document before anything else does; if it raises, the run ends.
        keeper: of intents, outcomes and observations.
        finished: called with the outcome of each step, from the station's thread.
        scan_id: gives every run a number of its own; each station counts for itself without.
        lab_hash: hash of the lab folder, recorded in every run.
        simulated: recorded in every run.
    """

    def __init__(
        self,
        name: str,
        spec: StationSpec,
        *,
        devices: Mapping[str, Any],
        lab: LabModel,
        protocols: Mapping[str, LabProtocol],
        clock: LabClock,
        journal: Journal,
        keeper: StepKeeper,
        finished: Finished,
        scan_id: Callable[[Any], int] | None = None,
        lab_hash: str = "",
        simulated: bool = False,
    ) -> None:
        self.name = name
        self.title = spec.title
        self._devices = {role: devices[one] for role, one in spec.devices.items()}
        self._monitors = [devices[one] for one in spec.monitors]
        self._lab = lab
        self._protocols = protocols
        self._clock = clock
        self._finished = finished
        self._record = {"lab": lab.name, "lab_sha256": lab_hash, "simulated": simulated, "station": name}
        self._keeper = keeper
        self._uses = Uses(lab)
        self._epoch = 0
        self._outcomes: OrderedDict[str, StepOutcome] = OrderedDict()
        self._operations: StepOperations | None = None
        self._order: StepOrder | None = None
        self._timer: _Timer | None = None
        self._closed = False
        self._runner: threading.Thread | None = None
        self._orders: queue.SimpleQueue[StepOrder | None] = queue.SimpleQueue()
        self._actor: Actor = clock.actor(f"station {name}")
        check_once_a_shape()
        # No signal handlers: the engine runs in a thread, and Ctrl-C belongs to the command line.
        self._loop = asyncio.new_event_loop()
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

    def start(self, order: StepOrder, epoch: int) -> None:
        """Begin a step.

        Raises:
            RefusedError: the station is closed or busy, knows the step already, or knows a newer controller.
        """
        with self._gate.lock:
            if self._closed:
                raise RefusedError(f"station {self.name} is closed")
            if epoch < self._epoch:
                raise RefusedError(
                    f"station {self.name} belongs to a newer controller (epoch {self._epoch}, not {epoch})"
                )
            if self._order is not None:
                raise RefusedError(f"station {self.name} is busy with {self._order.step_id}")
            if order.step_id in self._outcomes and not order.resumed:
                raise RefusedError(f"station {self.name} has already done {order.step_id}; it is not done twice")
            self._epoch, self._order = epoch, order
            self._gate.open()
        self._actor.resume()  # before the caller can wait, so that lab time cannot pass in between
        if self._runner is None:
            self._runner = threading.Thread(target=self._work, name=f"station:{self.name}", daemon=True)
            self._runner.start()
        self._orders.put(order)

    def poll(self, step_id: str) -> StepOutcome | None:
        """How a step ended; None while it runs or if it is not known here."""
        with self._gate.lock:
            return self._outcomes.get(step_id)

    def stop(self, why: str, *, now: bool) -> None:
        """End the step that runs after its current operation; or now, with all devices halted and the station latched.

        A latched station starts nothing any more, whether a step runs now or not: a step that it is given later ends
        as stopped before its first operation.
        """
        if now:
            self.latch(why)
            self._halt(why)
            return
        with self._gate.lock:
            if self._timer is not None:
                self._timer.cut()
            self._gate.stop(why)

    def latch(self, why: str) -> None:
        """Begin nothing any more; no wire is touched, so that it takes no time."""
        with self._gate.lock:
            if self._timer is not None:
                self._timer.cut()
            self._gate.latch(why)

    def _halt(self, why: str) -> None:
        for device in [one for one in self._all() if hasattr(one, "end_acts")]:
            device.end_acts(why)  # no wire yet: nothing begins any more on any of them
        self._tell("stop", self._all())

    def _too_long(self, step_id: str, why: str) -> None:
        """End a step that has used up its time: with the devices it uses, and no others'."""
        with self._gate.lock:
            if self._order is None or self._order.step_id != step_id:
                return  # it has ended meanwhile
            if self._timer is not None:
                self._timer.cut()
            self._gate.stop(why)
            begun = self._operations.begun if self._operations is not None else []
        devices = [one for one in begun if hasattr(one, "end_acts")]
        for device in devices:
            device.end_acts(why)
        self._tell("stop", devices)

    def pause(self, *, on: bool) -> None:
        """Let no operation begin any more, or let them begin again; what is under way ends."""
        self._gate.pause(on=on)

    def close(self) -> None:
        """Stop now and make every device safe, all at once; what fails is logged."""
        with self._gate.lock:
            running = self._order is not None
        self.latch("the station closes")
        if running:
            self._halt("the station closes")
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
        return [*self._devices.values(), *self._monitors]

    def _work(self) -> None:
        """The station's thread: one for all steps, for a new one has to wait its turn before it can begin."""
        while (order := self._orders.get()) is not None:
            self._run(order)

    def _run(self, order: StepOrder) -> None:
        started_s = self._clock.now()
        found: dict[str, Any] = {}
        state: Any = "done"
        error, kind = "", None
        uids: list[str] = []
        doubt: int | None = None
        value_lost = False
        limit_s = next(step.timeout_s for step in self._protocols[order.protocol].steps if step.name == order.step)
        watch = TimeLimit(self._gate, self._clock, order.step_id, limit_s, self._too_long)
        self._operations = None
        try:
            self._gate.check()  # a latched station has not started this step
            self._operations = StepOperations(order, self._keeper, self._clock, self._actor, self._gate, self._uses)
            self._engine(self._plan(order, found, uids))
        except (LabwrightError, FailedStatus, RunEngineInterrupted) as raised:
            cause = _cause(raised)
            # Stopped from elsewhere, a device has failed this step; only a stop of this station is one of the step.
            stopped = isinstance(cause, StoppedError) and self._gate.stopped is not None
            state, kind = ("stopped", "aborted") if stopped else ("failed", _blame(cause))
            state = "unknown" if isinstance(cause, DoubtError) else state
            error = _words(cause)
        except Exception as raised:  # noqa: BLE001 - a protocol's mistake, whatever it raises, ends its step and not the lab
            state, kind, error = "failed", "equipment", f"in the plan, {_words(raised)}"
        watch.cancel()
        if watch.words and state != "done":
            state, kind, error = "failed", "equipment", watch.words
        operations = self._operations
        if operations is not None and operations.doubt is not None:
            doubt, value_lost = operations.doubt.n, operations.doubt.kind == "measure"
        outcome = StepOutcome(
            step_id=order.step_id,
            state=state,
            results=found if state == "done" else {},
            fail_kind=kind,
            error=error,
            doubt=doubt,
            value_lost=value_lost,
            run_uids=tuple(uids),
            used=operations.used if operations is not None else {},
            part=operations.part if operations is not None else None,
            started_s=started_s,
            ended_s=self._clock.now(),
        )
        with self._gate.lock:
            self._outcomes[order.step_id] = outcome
            while len(self._outcomes) > REMEMBERED:
                self._outcomes.popitem(last=False)
            self._order = None
        try:
            self._finished(outcome)
        finally:
            self._actor.park()

    def _plan(self, order: StepOrder, found: dict[str, Any], uids: list[str]) -> Plan:
        """Open a run, read the monitors, do the step, put its results into the run, close it."""
        protocol = self._protocols[order.protocol]
        context = StepContext(order, self._devices, self._lab, self._clock, self._gate.check)
        # Everything under one key: some top-level names in a start document are swallowed or break the plan.
        # What has its default is left out: Bluesky checks every key of every start document against a schema.
        told = order.model_dump(mode="json", exclude={"results", "calibrations", "expected_s"}, exclude_defaults=True)
        labwright = {**self._record, **told}
        labwright["lab_time_s"] = self._clock.now()
        # Messages as they are: Bluesky's stubs look at the call stack each time.
        uids.append((yield _message("open_run", None, labwright=labwright, sample=order.sample)))
        status, reason = "fail", ""
        try:
            if self._monitors:  # read again after a crash, too: what they report must be true now
                self._operations_now.off = True
                yield from bps.trigger_and_read(self._monitors, name="environment")
                self._operations_now.off = False
            results = yield from protocol.plan(context)
            yield from self._all_ended()
            found.update(checked_results(results, protocol.spec, order.step))
            readable = StepResults(found, protocol.results, self._clock)
            if readable:
                yield from bps.trigger_and_read([readable], name="results")
            status = "success"
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


def _blame(cause: BaseException) -> FailKind:
    return "infeasible" if isinstance(cause, (InfeasibleError, OutOfRangeError)) else "equipment"
