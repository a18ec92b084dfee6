"""The driver loop: keeps each event, asks the core what follows, and carries it out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Literal

from labwright.clock import Mailbox
from labwright.engine.campaign import Campaign
from labwright.engine.core import CampaignCore
from labwright.engine.events import (
    Ask,
    Event,
    Finish,
    Infeasible,
    Instruction,
    NotSuggested,
    RunStep,
    Started,
    StepEnded,
    StopAsked,
    StopStations,
    Suggested,
)
from labwright.journal import EventLog, RunJournal, recover
from labwright.lab import Lab
from labwright.lab.classes import in_words
from labwright.model.campaign import Suggestion
from labwright.model.errors import InfeasibleError, OutOfRangeError, PlannerError
from labwright.model.protocol import StepOrder
from labwright.stations import Station, StationLink

SILENCE_S = 600.0
"""Wall seconds without any event, beyond what the running steps may take, after which they count as hung."""

NEAR = 0.05
"""A suggestion that cannot be made is moved if the nearest that can is no further than this share of each range."""

Watch = Callable[[Event, CampaignCore], None]


@dataclass(frozen=True)
class CampaignEnd:
    """How a campaign ended.

    Attributes:
        campaign: its id.
        state: completed, stopped or failed.
        reason: in words.
        core: with all trials.
    """

    campaign: str
    state: Literal["completed", "stopped", "failed"]
    reason: str
    core: CampaignCore


class CampaignRun:
    """One campaign on an open lab.

    Args:
        lab: open.
        campaign: fits the lab.
        data: folder of journal and runs.
        watch: told every event after it was kept and handled, with the core.
        run_closed: told the file of every finished run, to upload it.
    """

    def __init__(
        self,
        lab: Lab,
        campaign: Campaign,
        data: Path,
        watch: Watch = lambda event, core: None,
        run_closed: Callable[[Path], None] = lambda path: None,
    ) -> None:
        self._lab = lab
        self._campaign = campaign
        self._watch = watch
        self._run_closed = run_closed
        self.core = CampaignCore()
        self._actor = lab.clock.actor("engine", busy=True)
        self._events: Mailbox[Event] = lab.clock.mailbox(self._actor)
        self.runs = RunJournal(data / "runs")
        self.recovered = recover(data / "runs")
        self._log = EventLog(data / "journal.sqlite")
        self._epoch = time.time_ns()
        self._stations: dict[str, StationLink] = {}
        self._orders: dict[str, StepOrder] = {}
        self._places = list(campaign.places)
        self._end: Finish | None = None
        self._early = threading.Lock()
        self._too_early: list[StopAsked] = []
        self._running = False

    def run(self) -> CampaignEnd:
        """Run the campaign to its end; the lab is left in its safe state.

        Raises:
            JournalError: the journal refuses; everything was stopped, and what was measured before is kept.
        """
        campaign = (
            f"{self._campaign.spec.name}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{self._epoch % 0xFFFF:04x}"
        )
        self._stations = self._make_stations()
        try:
            with self._early:
                self._events.put(self._started_event(campaign))
                for event in self._too_early:
                    self._events.put(event)
                self._running = True
            while self._end is None:
                self._step(campaign)
        except BaseException:
            self._stop_stations("the engine ends", now=True)
            raise
        finally:
            self._close()
        return CampaignEnd(campaign, self._end.state, self._end.reason, self.core)

    def patience_s(self) -> float:
        """Wall seconds to wait for the next event; a station ends an overdue step itself, so later is too late."""
        clock, current = self._lab.clock, self.core.current
        if clock.stepped or current is None:
            return SILENCE_S
        return SILENCE_S + max((step.timeout_s for step in current.running.values()), default=0.0) / clock.speed

    def _started_event(self, campaign: str) -> Started:
        return Started(
            campaign=campaign,
            spec=self._campaign.spec,
            protocols=tuple(one.spec for one in self._campaign.protocols.values()),
            lab=self._lab.model.name,
            lab_sha256=self._lab.folder.sha256,
            simulated=self._lab.simulated,
        )

    def ask_to_stop(self, why: str, *, now: bool) -> None:
        """End the campaign: after the current operation, or now with all devices halted. Callable from anywhere."""
        event = StopAsked(why=why, now=now)
        with self._early:
            if self._running:
                self._events.put(event)
            else:  # it must not come before the campaign's first event
                self._too_early.append(event)

    def _step(self, campaign: str) -> None:
        patience_s = self.patience_s()
        try:
            event = self._events.get(patience_s)
        except Empty:
            running = ", ".join(step for step in self._orders) or "nothing"
            event = StopAsked(why=f"nothing was heard for {patience_s:g} s while waiting for {running}", now=True)
        self._log.append(campaign, event.kind, event.model_dump(mode="json"), self._lab.clock.now())
        if isinstance(event, StopAsked) and self.core.phase == "draining":
            instructions: list[Instruction] = [StopStations(event.why, event.now)]
        else:
            instructions = self.core.handle(event)
        if isinstance(event, StepEnded):
            self._orders.pop(event.outcome.step_id, None)
            for uid in event.outcome.run_uids:
                if self.runs.path(uid).exists():
                    self._run_closed(self.runs.path(uid))
        self._watch(event, self.core)
        for instruction in instructions:
            self._carry_out(instruction)

    def _carry_out(self, instruction: Instruction) -> None:
        if isinstance(instruction, Ask):
            self._events.put(self._ask(instruction))
        elif isinstance(instruction, RunStep):
            self._orders[instruction.order.step_id] = instruction.order
            self._stations[instruction.station].start(instruction.order, self._epoch)
        elif isinstance(instruction, StopStations):
            self._stop_stations(instruction.why, now=instruction.now)
        else:
            self._end = instruction

    def _stop_stations(self, why: str, *, now: bool) -> None:
        """First none of them begins anything any more, then all are halted at once."""
        for station in self._stations.values():
            station.stop(why, now=False)
        if now:
            self._at_all_stations(lambda station: station.stop(why, now=True))

    def _close(self) -> None:
        """The lab's safe state first; a second interrupt in the middle of it must not leave a station out."""
        try:
            self._at_all_stations(lambda station: station.close())
        finally:
            self._log.close()
            self.runs.close()
            self._actor.close()

    def _at_all_stations(self, do: Callable[[StationLink], None]) -> None:
        with ThreadPoolExecutor(max(1, len(self._stations)), thread_name_prefix="stations") as pool:
            list(pool.map(do, self._stations.values()))

    def _ask(self, ask: Ask) -> Event:
        try:
            (suggestion,) = self._campaign.planner.ask(ask.state, 1)
        except PlannerError as error:
            return NotSuggested(reason=str(error))
        try:
            self._check(suggestion)
        except InfeasibleError as error:
            near = self._nearest(suggestion, error)
            if near is None:
                words = ", ".join(f"{name} {value:.4g}" for name, value in error.nearest.items())
                return Infeasible(suggestion=suggestion, reason=f"{error} Nearest that can be made: {words}.")
            suggestion = near
        except OutOfRangeError as error:
            return Infeasible(suggestion=suggestion, reason=str(error))
        except PlannerError as error:
            return NotSuggested(reason=str(error))
        return Suggested(suggestion=suggestion, place=self._places.pop(0) if self._places else "")

    def _check(self, suggestion: Suggestion) -> None:
        spec = self._campaign.spec
        parameters = {key: float(value) for key, value in suggestion.params.items()}
        with in_words(PlannerError, "the protocol's check fails"):
            self._campaign.protocols[spec.protocol].check({**parameters, **spec.fixed})

    def _nearest(self, suggestion: Suggestion, error: InfeasibleError) -> Suggestion | None:
        """The suggestion moved to the nearest that can be made, if that is near; what is made is measured anyway."""
        space = self._campaign.spec.space
        moved = {**suggestion.params, **{k: v for k, v in error.nearest.items() if k in space.names}}
        shifts = [abs(a - b) for a, b in zip(space.to_unit(suggestion.params), space.to_unit(moved), strict=True)]
        if max(shifts) > NEAR or space.violations(moved):
            return None
        words = f"{suggestion.rationale}; moved to the nearest that can be made ({error})"
        near = suggestion.model_copy(update={"params": moved, "rationale": words})
        try:
            self._check(near)
        except (InfeasibleError, OutOfRangeError):
            return None
        return near

    def _make_stations(self) -> dict[str, StationLink]:
        lab = self._lab
        return {
            name: Station(
                name,
                spec,
                devices=lab.devices,
                lab=lab.model,
                protocols=self._campaign.protocols,
                clock=lab.clock,
                journal=self.runs,
                finished=lambda outcome: self._events.put(StepEnded(outcome=outcome)),
                scan_id=self.runs.number,
                lab_hash=lab.folder.sha256,
                simulated=lab.simulated,
            )
            for name, spec in lab.model.stations.items()
        }
