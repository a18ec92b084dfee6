"""`labwright campaign run` and `labwright demo`."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labwright.cli.output import EXIT, console, whoami
from labwright.cli.places import find_campaign
from labwright.cli.progress import Progress
from labwright.cli.reporting import write_report
from labwright.cli.showing import Shown, shown
from labwright.cli.signals import stopping
from labwright.cli.simulating import opened
from labwright.cli.words import quoted
from labwright.engine import (
    Campaign,
    CampaignCore,
    CampaignEnd,
    CampaignRun,
    close_unfinished,
    load_campaign,
    resume_campaign,
    started,
    unfinished,
)
from labwright.engine.latch import refuse_while_latched
from labwright.journal import Journal, check_place, journal_file
from labwright.model.errors import RefusedError, StoreError, UnsafeError
from labwright.report import last_ended

# The engine tells in words how each step ended; Bluesky's traceback of the same failure helps nobody at a terminal.
logging.getLogger("bluesky").setLevel(logging.CRITICAL)

UPLOAD_WAIT_S = 5.0
"""Nobody waits for the data store: what is not there by then follows in the background."""


@dataclass(frozen=True)
class RunOptions:
    """What the command line says of a run."""

    data: Path
    simulated: bool = False
    endpoints: Path | None = None
    speed: float = 0.0
    budget: int | None = None
    seed: int | None = None
    planner: str | None = None
    json: bool = False
    store: bool = True
    deck_checked: bool = False
    new: bool = False
    lab_changed: bool = False
    journal: str = ""
    by: str = ""

    @property
    def place(self) -> str | Path:
        """Where the journal is."""
        return self.journal or journal_file(self.data)


def run_campaign(root: Path, name: str, options: RunOptions) -> int:
    """Run a campaign, or go on with one that was cut off; the exit code."""
    with shown(json=options.json) as display:
        return _run_campaign(root, name, options, display)


def _run_campaign(root: Path, name: str, options: RunOptions, display: Shown) -> int:
    with (
        opened(
            root,
            simulated=options.simulated,
            endpoints=options.endpoints,
            speed=options.speed,
            seed=options.seed or 0,
        ) as (folder, lab, world),
        _journal(options) as journal,
    ):
        journal.claim()
        refuse_while_latched(journal, lab.instruments)
        path = find_campaign(root, name)
        cut_off = unfinished(journal, path.stem)
        if cut_off is not None and not _can_go_on(journal, cut_off, lab, options):
            cut_off = None
        if cut_off is not None:
            campaign = _go_on_with(folder, journal, cut_off, options)
        else:
            campaign = load_campaign(
                folder, path, budget=options.budget, seed=options.seed, planner=options.planner, journal=journal
            )
            if world is None and not options.deck_checked:
                refuse_after_a_broken_one(journal, campaign)
        check_place(options.data, campaign.spec.budget)
        ran = _run(lab, campaign, journal, options, display, cut_off or "")
    # The lab is closed and its journal free: whatever hangs from here on holds up nothing but this process.
    end = ran.end
    report = _report(options.data, options.place, campaign, world)
    summary = {"campaign": end.campaign, "state": end.state, "reason": end.reason, "data": str(options.data)}
    display.summary({**summary, "report": str(report) if report else None})
    style = {"completed": "bold", "stopped": "bold yellow", "failed": "bold red"}[end.state]
    console.print(f"{end.campaign} {end.state}: {end.reason}", style=style, markup=False)
    _say_where(options.data, report, ran.stored())
    if ran.unsafe is not None:
        raise ran.unsafe
    return EXIT[end.state]


def _can_go_on(journal: Journal, campaign: str, lab: Any, options: RunOptions) -> bool:
    """Whether a campaign that was cut off can be gone on with; if it cannot, or is not to be, it is closed.

    Raises:
        RefusedError: its samples are at other instruments than those of now.
    """
    was = started(journal, campaign).instruments
    if was == "here" or options.new:
        who = options.by or whoami()
        why = f"{who} begins another" if options.new else "its simulated instruments ended with their process"
        close_unfinished(journal, campaign, why, who)
        return False
    if was != lab.instruments:
        told = {"real": "the real instruments", "here": "simulated instruments of its own"}
        raise RefusedError(
            f"{campaign} was cut off in the middle, and its samples are at {told.get(was, was)}, not at "
            f"{told.get(lab.instruments, lab.instruments)}; go on with it there, or give it up with --new"
        )
    return True


def _go_on_with(folder: Any, journal: Journal, campaign: str, options: RunOptions) -> Campaign:
    """The campaign that was cut off, as it was started.

    Raises:
        RefusedError: it was asked to be another one, or the lab has changed.
    """
    asked = {"--budget": options.budget, "--seed": options.seed, "--planner": options.planner}
    if given := [name for name, value in asked.items() if value is not None]:
        raise RefusedError(
            f"{campaign} was cut off and goes on as it was started; {', '.join(given)} would change it. Leave that "
            "out, or begin anew with --new"
        )
    console.print(f"{campaign} was cut off; going on with it (--new begins another)", markup=False)
    return resume_campaign(folder, started(journal, campaign), changed=options.lab_changed)


def refuse_after_a_broken_one(journal: Journal, campaign: Campaign) -> None:
    """After a campaign that did not end well nobody knows where its sample is: the arm could drive into it.

    Raises:
        RefusedError: until a person has looked.
    """
    last = last_ended(journal) if campaign.places else None
    if last is not None and last.core.phase != "completed":
        how = f"{last.core.phase}: {last.core.reason}" if last.core.over else "cut off in the middle"
        raise RefusedError(
            f"the last campaign here, {last.campaign}, did not end well ({how}); a container may stand where it was "
            "left, or in the gripper. Look, put everything as inventory.yaml says, and run again with --deck-checked"
        )


@contextlib.contextmanager
def _journal(options: RunOptions) -> Iterator[Journal]:
    """The journal, where there is room for one."""
    check_place(options.data, options.budget or 1)
    with Journal(options.place, _journal_says) as journal:
        yield journal


def _journal_says(words: str) -> None:
    console.print(words, style="bold yellow", markup=False)


def run_demo(root: Path, data: Path, budget: int, seed: int, *, json: bool, store: bool) -> None:
    """The reference lab's campaign on simulated instruments, and how it compares."""
    options = RunOptions(data=data, simulated=True, budget=budget, seed=seed, json=json, store=store)
    with shown(json=json) as display:
        _run_demo(root, options, display)


def _run_demo(root: Path, options: RunOptions, display: Shown) -> None:
    data, budget, seed = options.data, options.budget or 2, options.seed or 0
    began = time.monotonic()
    with (
        opened(root, simulated=True, endpoints=None, speed=0, seed=seed) as (folder, lab, world),
        _journal(options) as journal,
    ):
        journal.claim()
        refuse_while_latched(journal, lab.instruments)
        path = find_campaign(root, "conductivity")
        if (cut_off := unfinished(journal, path.stem)) is not None:
            close_unfinished(journal, cut_off, "its simulated instruments ended with it", whoami())
        campaign = load_campaign(folder, path, budget=budget, seed=seed)
        check_place(data, budget)
        ran = _run(lab, campaign, journal, options, display)
    end = ran.end
    lab_hours = (lab.clock.now() - lab.clock.started_s) / 3600
    wall_s = time.monotonic() - began
    facts = _facts(end.core, campaign, world)
    report = _report(data, options.place, campaign, world)
    facts |= {"campaign": end.campaign, "state": end.state, "lab_hours": lab_hours, "wall_s": wall_s}
    display.summary({**facts, "report": str(report) if report else None})
    _say_demo(facts, campaign)
    _say_where(data, report, ran.stored())
    if ran.unsafe is not None:
        raise ran.unsafe
    if end.state != "completed":
        raise SystemExit(EXIT[end.state])


def _facts(core: CampaignCore, campaign: Campaign, world: Any) -> dict[str, Any]:
    """Best found, the truth behind it, and what choosing at random would have brought with the same budget."""
    spec = campaign.spec
    best = campaign.planner.best(core.state())
    if best is None:
        return {}
    where, optimum = world.best_possible(spec.fixed)
    made = {name: float(value) for name, value in best.params.items()}
    facts: dict[str, Any] = {
        "best": made,
        "best_conductivity": best.predicted.mean,
        "best_conductivity_sem": best.predicted.sem,
        "best_true": world.truth({**made, **spec.fixed}),
        "optimum": where,
        "optimum_true": optimum,
        "random_true": _random_true(core, campaign, world),
        "experiments": core.tried,
    }
    return facts


def _random_true(core: CampaignCore, campaign: Campaign, world: Any) -> float:
    """True value of the best of as many random points; generous to chance, for it knows its best without an error."""
    from labwright.model.campaign import PlannerSpec
    from labwright.planners import load_planner

    state = core.state().model_copy(update={"trials": (), "planner": PlannerSpec(name="random")})
    chosen = load_planner(state.planner).ask(state, max(core.tried, 1))
    truths = [world.truth({**{k: float(v) for k, v in one.params.items()}, **campaign.spec.fixed}) for one in chosen]
    return max(truths)


def _say_demo(facts: dict[str, Any], campaign: Campaign) -> None:
    if "best" not in facts:
        return
    unit = campaign.spec.objective.unit

    def words(where: dict[str, float]) -> str:
        return ", ".join(f"{name} {value:.3f}" for name, value in where.items())

    console.print()
    console.print("SIMULATED: instruments, samples and results below are a simulation's.", style="bold yellow")
    console.print(
        f"Best found       {facts['best_true']:.2f} {unit} (true), estimated {facts['best_conductivity']:.2f} ± "
        f"{facts['best_conductivity_sem'] or 0:.2f}, at {words(facts['best'])}"
    )
    console.print(f"True optimum     {facts['optimum_true']:.2f} {unit} at {words(facts['optimum'])}")
    console.print(f"Same budget at random  {facts['random_true']:.2f} {unit} (true value of its best)")
    compare = campaign.spec.compare
    if compare is not None:
        number, value = compare.best_so_far[-1]
        console.print(
            f"The {compare.title}: {value:.2f} {unit} in experiment {number} of {compare.experiments} "
            f"[{compare.source}]",
            markup=False,
        )
    console.print(f"{facts['lab_hours']:.1f} hours of laboratory time in {facts['wall_s']:.0f} s.")


def _say_where(data: Path, report: Path | None, stored: str) -> None:
    if report is not None:
        console.print(f"Report           {report}")
    console.print(f"Runs             {data / 'runs'} (labwright run list --data {quoted(data)})")
    console.print(f"Events           {data / 'journal.sqlite'}")
    if stored:
        console.print(f"Data store       {data / 'tiled'}: {stored}")
        console.print(f"                 labwright store verify --data {quoted(data)} compares it with the journal")


@dataclass
class _Ran:
    """A campaign that has ended, on a lab that is closed.

    Attributes:
        end: how.
        uploader: into the data store; None if there is none.
        unsafe: what could not be made safe; told last of all.
    """

    end: CampaignEnd
    uploader: Any
    unsafe: UnsafeError | None = None

    def stored(self) -> str:
        """How far the upload has come, in words; empty without a data store."""
        return str(self.uploader.finish(UPLOAD_WAIT_S)) if self.uploader else ""


def _run(lab: Any, campaign: Campaign, journal: Journal, options: RunOptions, display: Shown, resume: str = "") -> _Ran:
    """Run on the opened lab, and close it; Ctrl-C asks to stop, twice stops now."""
    ran: _Ran | None = None
    with _store(options) as uploader:  # before the lab is open: a disk that hangs must not hang then
        try:
            with lab.opened(undisturbed=bool(resume)):
                run_closed = uploader.notify if uploader else None
                by = options.by or whoami()
                run = CampaignRun(lab, campaign, journal, options.data, None, run_closed, resume=resume, by=by)
                display.begin(run, Progress(campaign, lab.clock.now, simulated=lab.simulated), journal.name)
                for one in run.recovered:
                    console.print(
                        f"run {one.uid} was left open by a crash and is closed now ({one.documents} documents kept)"
                    )
                with interrupts(run):
                    ran = _Ran(run.run(), uploader)
        except UnsafeError as error:
            if ran is None:  # something else is on its way, which is told first
                raise
            ran.unsafe = error
        finally:
            display.finish()
    return ran


@contextlib.contextmanager
def interrupts(run: CampaignRun) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a lost terminal end the campaign: after the current operation, the second time at once."""
    if threading.current_thread() is not threading.main_thread():  # Python gives signals to the main thread only
        yield
        return
    pressed = 0

    def stop(number: int, frame: Any) -> None:
        nonlocal pressed
        pressed += 1
        # In a thread: what the handler interrupts may hold the very lock that the engine's mailbox needs.
        threading.Thread(target=tell, args=(signal.Signals(number).name, pressed > 1), daemon=True).start()

    def tell(name: str, now: bool) -> None:
        run.ask_to_stop("Ctrl-C" if name == "SIGINT" else name, now=now)
        console.print(
            "stopping now: all stations are halted" if now else "stopping after the current operation; again: at once",
            style="bold yellow",
        )

    before = {number: signal.signal(number, stop) for number in stopping()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _store(options: RunOptions) -> Iterator[Any]:
    """The uploader into the data store, if one is wanted."""
    if not options.store:
        yield None
        return
    from labwright.store import Uploader

    uploader = Uploader(options.data / "runs", options.data / "tiled")
    try:
        uploader.start()
    except StoreError as error:  # an index that can be made again later stops no experiment
        console.print(f"the campaign goes on without a data store: {error}", style="bold yellow", markup=False)
        yield None
        return
    yield uploader


def _report(data: Path, place: str | Path, campaign: Campaign, world: Any) -> Path | None:
    """The report's place; a campaign that has ended well has done so even if its report cannot be written."""
    try:
        return write_report(data, campaign.spec.name, world=world, place=place)
    except OSError as error:
        console.print(f"the report cannot be written: {error}", style="bold yellow", markup=False)
        console.print(
            f"write it elsewhere with: labwright report {quoted(campaign.spec.name)} --data {quoted(data)} --out FILE",
            markup=False,
        )
        return None
