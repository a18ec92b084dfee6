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
from typing import Any, Literal

import orjson

from labwright.cli.output import EXIT, console, whoami
from labwright.cli.places import find_campaign
from labwright.cli.progress import Progress
from labwright.cli.reporting import write_report
from labwright.cli.showing import Shown, shown
from labwright.cli.signals import stopping
from labwright.cli.simulating import opened
from labwright.cli.sites import Site, done
from labwright.cli.words import quoted, valued
from labwright.engine import (
    UNANSWERED,
    Campaign,
    CampaignCore,
    CampaignEnd,
    CampaignRun,
    load_campaign,
    resume_campaign,
    started,
)
from labwright.engine.filling import left_on
from labwright.engine.inventory import inventory_words
from labwright.engine.latch import what_waits
from labwright.engine.lifecycle import Decision, close, decide, hand_over, refuse_changes, refuse_doubtful_deck
from labwright.engine.upgrading import refuse_other_decisions
from labwright.journal import Journal, check_place, instruments_words, journal_file, open_latches, reset_command
from labwright.journal.asking import deck_of
from labwright.lab import YamlFile, read_lab
from labwright.model.errors import ConfigError, JournalError, StoreError, UnsafeError
from labwright.model.figures import figure, lasting, measured, with_unit
from labwright.model.instruments import HERE
from labwright.model.latch import WHOLE_LAB

# The engine reports in words how each step ended; Bluesky's traceback of the same failure is no help at a terminal.
logging.getLogger("bluesky").setLevel(logging.CRITICAL)

UPLOAD_WAIT_S = 5.0
"""Seconds a run waits for the data store at its end; the rest is uploaded in the background."""


@dataclass(frozen=True)
class RunOptions:
    """The options of a run."""

    data: Path
    simulated: bool = False
    endpoints: Path | None = None
    speed: float = 0.0
    budget: int | None = None
    seed: int | None = None
    planner: str | None = None
    parallel: int | None = None
    json: bool = False
    store: bool = True
    new: bool = False
    lab_changed: bool = False
    decisions_changed: bool = False
    journal: str = ""
    by: str = ""
    on_question: Literal["wait", "fail"] = "wait"

    @property
    def place(self) -> str | Path:
        """Where the journal is."""
        return self.journal or journal_file(self.data)

    @property
    def instruments(self) -> str:
        """On which instruments (`Lab.instruments`)."""
        if self.endpoints is not None:
            return str(self.endpoints.resolve())
        return HERE if self.simulated else "real"


def run_campaign(root: Path, name: str, options: RunOptions) -> int:
    """Run a campaign, or resume one that was interrupted; the exit code.

    Where a controller runs on these instruments, the campaign is handed to it, and watched.
    """
    if _served(options):
        from labwright.cli.watching import watch_campaign

        if options.on_question == "fail":
            console.print(
                "--on-question fail is not taken: whether a question waits for a person or ends its campaign, the "
                "controller that runs decides (labwright serve --on-question)",
                style="bold yellow",
                markup=False,
            )
        return watch_campaign(options.place, submit_campaign(root, name, options), json=options.json)
    with shown(json=options.json) as display:
        return _run_campaign(root, name, options, display)


def _served(options: RunOptions) -> bool:
    """Whether a controller runs on these instruments."""
    try:
        with Journal.reading(options.place) as journal:
            return journal.controlled() and deck_of(journal) == options.instruments
    except JournalError:  # of an earlier release, or broken: opened to be written it is migrated, or says what is wrong
        return False


def submit_campaign(root: Path, name: str, options: RunOptions) -> str:
    """Hand a campaign to the controller that runs; the campaign's id.

    Raises:
        ConfigError: the file has mistakes, or the lab cannot carry it out.
        RefusedError: no controller runs on these instruments, or it refuses.
    """
    folder = read_lab(root)
    with Journal(options.place) as journal:
        started_as = hand_over(
            journal,
            folder,
            find_campaign(root, name),
            options.instruments,
            by=options.by or whoami(),
            budget=options.budget,
            seed=options.seed,
            planner=options.planner,
            parallel=options.parallel,
        )
    console.print(f"{started_as} was handed to the controller that runs", style="bold", markup=False)
    return started_as


def submit_far(
    site: Site, name: str, *, budget: int | None, seed: int | None, planner: str | None, parallel: int | None
) -> str:
    """Hand a campaign to the controller behind a service; the campaign's id.

    Args:
        site: the service.
        name: of a campaign in the lab's folder there; or a file here, which is sent.
        budget: experiments, if other than in the file.
        seed: if other than in the file.
        planner: by name, if other than in the file.
        parallel: samples on their way at once, if other than in the file.

    Raises:
        ConfigError: the file has mistakes, or the lab cannot carry it out.
        RefusedError: the key does not allow it, or no controller takes it.
    """
    path = Path(name)
    spec: str | dict[str, Any] = name
    if path.suffix == ".yaml":
        if not path.is_file():
            raise ConfigError(f"there is no file {path}")
        spec = orjson.loads(orjson.dumps(YamlFile(path).data))  # dates as text
    campaign = done(
        site, lambda journal: "",
        lambda client: client.campaigns.submit(spec, budget=budget, seed=seed, planner=planner, parallel=parallel),
    )  # fmt: skip
    console.print(f"{campaign} was handed to the controller that runs", style="bold", markup=False)
    return campaign


def _run_campaign(root: Path, name: str, options: RunOptions, display: Shown) -> int:
    with (
        opened(
            root,
            simulated=options.simulated,
            endpoints=options.endpoints,
            speed=options.speed,
            seed=options.seed or 0,
        ) as (folder, lab, world),
        journal_of(options) as journal,
    ):
        journal.claim()
        path = find_campaign(root, name)
        decision = decide(journal, path.stem, lab.instruments, new=options.new)
        campaign = _campaign(folder, journal, path, lab, decision, options)
        changed = _other_decisions(journal, decision, options)
        check_place(options.data, campaign.spec.budget)
        ran = _run(lab, campaign, journal, options, display, decision, changed)
    # The lab is closed and its journal free: whatever hangs from here on holds up nothing but this process.
    end = ran.end
    report = _report(options.data, options.place, end.campaign, world)
    summary = {"campaign": end.campaign, "state": end.state, "reason": end.reason, "data": str(options.data)}
    display.summary({**summary, "report": str(report) if report else None})
    style = {"completed": "bold", "stopped": "bold yellow", "failed": "bold red"}[end.state]
    console.print(f"{end.campaign} {end.state}: {end.reason}", style=style, markup=False)
    _say_where(options.data, report, ran.stored())
    _say_reset(ran)
    if ran.unsafe is not None:
        raise ran.unsafe
    return _exit_code(end)


def _exit_code(end: CampaignEnd) -> int:
    """As of its state; a question that no person was there to answer is a failure, and no stop by one."""
    return EXIT["failed" if end.reason.startswith(UNANSWERED) else end.state]


def _campaign(folder: Any, journal: Journal, path: Path, lab: Any, decision: Decision, options: RunOptions) -> Campaign:
    """The campaign to run: the interrupted one as it was started, or the one in the file.

    Raises:
        RefusedError: what is resumed was asked to be another one, the lab has changed, or the deck is in doubt.
        ConfigError: the file has mistakes, or the lab cannot carry it out.
    """
    if decision.resume:
        asked = {
            "--budget": options.budget,
            "--seed": options.seed,
            "--planner": options.planner,
            "--parallel": options.parallel,
        }
        refuse_changes(decision.resume, [name for name, value in asked.items() if value is not None])
        first = started(journal, decision.resume)
        campaign = resume_campaign(folder, first, changed=options.lab_changed)
        console.print(f"{decision.resume} was interrupted; resuming it (--new starts another)", markup=False)
        return campaign
    count = left_on(journal, lab)
    if count is not None and (words := inventory_words(count, folder.model)):
        console.print(words, style="bold yellow", markup=False)
    campaign = load_campaign(
        folder,
        path,
        budget=options.budget,
        seed=options.seed,
        planner=options.planner,
        parallel=options.parallel,
        journal=journal,
        simulated=lab.simulated,
        count=count,
        now_s=lab.clock.now(),
    )
    refuse_doubtful_deck(journal, lab.instruments, campaign.protocol_specs, bool(campaign.container))
    return campaign


def _other_decisions(journal: Journal, decision: Decision, options: RunOptions) -> str:
    """What this version decides otherwise in the campaign that is resumed, if a person has confirmed it.

    Raises:
        RefusedError: something, and no person has.
    """
    if not decision.resume:
        return ""
    if changed := refuse_other_decisions(journal, decision.resume, confirmed=options.decisions_changed):
        console.print(f"{changed}; going on, as --decisions-changed says", style="bold yellow", markup=False)
    return changed


@contextlib.contextmanager
def journal_of(options: RunOptions) -> Iterator[Journal]:
    """The journal, where there is room for one."""
    check_place(options.data, options.budget or 1)
    with Journal(options.place, _journal_says) as journal:
        yield journal


def _journal_says(words: str) -> None:
    console.print(words, style="bold yellow", markup=False)


def run_demo(root: Path, data: Path, budget: int, seed: int, *, json: bool, store: bool) -> None:
    """The reference lab's campaign on simulated instruments, and how it compares."""
    options = RunOptions(
        data=data, simulated=True, budget=budget, seed=seed, json=json, store=store, on_question="fail"
    )
    with shown(json=json) as display:
        _run_demo(root, options, display)


def _run_demo(root: Path, options: RunOptions, display: Shown) -> None:
    data, budget, seed = options.data, options.budget or 2, options.seed or 0
    began = time.monotonic()
    with (
        opened(root, simulated=True, endpoints=None, speed=0, seed=seed) as (folder, lab, world),
        journal_of(options) as journal,
    ):
        journal.claim()
        path = find_campaign(root, "conductivity")
        decision = decide(journal, path.stem, lab.instruments)
        campaign = load_campaign(folder, path, budget=budget, seed=seed, simulated=True)
        check_place(data, budget)
        ran = _run(lab, campaign, journal, options, display, decision)
    end = ran.end
    lab_hours = (lab.clock.now() - lab.clock.started_s) / 3600
    wall_s = time.monotonic() - began
    facts = _facts(end.core, campaign, world)
    report = _report(data, options.place, end.campaign, world)
    facts |= {"campaign": end.campaign, "state": end.state, "lab_hours": lab_hours, "wall_s": wall_s}
    display.summary({**facts, "report": str(report) if report else None})
    _say_demo(facts, campaign)
    _say_where(data, report, ran.stored())
    _say_reset(ran)
    if ran.unsafe is not None:
        raise ran.unsafe
    if end.state != "completed":
        raise SystemExit(_exit_code(end))


def _facts(core: CampaignCore, campaign: Campaign, world: Any) -> dict[str, Any]:
    """Best found, the truth behind it, and what choosing at random would have brought with the same budget."""
    spec = campaign.spec
    best = campaign.planner.best(core.state())
    if best is None:
        return {}
    where, optimum = world.best_possible(spec.fixed)
    facts: dict[str, Any] = {
        "best": dict(best.params),
        "best_conductivity": best.predicted.mean,
        "best_conductivity_sem": best.predicted.sem,
        "best_true": world.truth(campaign.given(best.params)),
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
    truths = [world.truth(campaign.given(one.params)) for one in chosen]
    return max(truths)


def _say_demo(facts: dict[str, Any], campaign: Campaign) -> None:
    if "best" not in facts:
        return
    unit = campaign.spec.objective.unit

    def words(where: dict[str, float]) -> str:
        return ", ".join(f"{name} {figure(value)}" for name, value in where.items())

    estimate = measured(facts["best_conductivity"], facts["best_conductivity_sem"])
    console.print()
    console.print("SIMULATED: instruments, samples and results below are a simulation's.", style="bold yellow")
    console.print(
        f"Best found       {valued(facts['best_true'], unit)} (true value), estimated {with_unit(estimate, unit)}, "
        f"at {words(facts['best'])}"
    )
    console.print(f"True optimum     {valued(facts['optimum_true'], unit)} at {words(facts['optimum'])}")
    console.print(f"Same budget at random  {valued(facts['random_true'], unit)} (true value of its best)")
    compare = campaign.spec.compare
    if compare is not None:
        number, value = compare.best_so_far[-1]
        console.print(
            f"The {compare.title}: {valued(value, unit)}, its best as measured, in experiment {number} of "
            f"{compare.experiments} [{compare.source}]"
        )
    console.print(f"{figure(facts['lab_hours'], 3)} hours of laboratory time in {lasting(facts['wall_s'])}.")


def _say_reset(ran: _Ran) -> None:
    if ran.reset:
        console.print(
            f"Stopped          nothing starts on {ran.instruments} until a person has looked at them and resets the "
            f"stop: {ran.reset}",
            style="bold yellow",
            markup=False,
        )


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
        instruments: which, in words.
        reset: the command without which nothing starts any more; empty unless it was stopped now.
        unsafe: what could not be made safe; reported last of all.
    """

    end: CampaignEnd
    uploader: Any
    instruments: str
    reset: str = ""
    unsafe: UnsafeError | None = None

    def stored(self) -> str:
        """How far the upload has come, in words; empty without a data store."""
        return str(self.uploader.finish(UPLOAD_WAIT_S)) if self.uploader else ""


def _run(
    lab: Any,
    campaign: Campaign,
    journal: Journal,
    options: RunOptions,
    display: Shown,
    decision: Decision,
    changed: str = "",
) -> _Ran:
    """Run on the opened lab, and close it; Ctrl-C asks to stop, twice stops now.

    What this version decides otherwise, `changed`, is kept in the journal first.
    """
    ran: _Ran | None = None
    with store_of(options) as uploader:  # before the lab is open: a disk that hangs must not hang then
        try:
            with lab.opened(undisturbed=bool(decision.resume)):
                run_closed = uploader.notify if uploader else None
                by = options.by or whoami()
                close(journal, decision, by)
                run = CampaignRun(
                    lab, campaign, journal, options.data, None, run_closed,
                    resume=decision.resume, by=by, unattended=options.on_question == "fail",
                )  # fmt: skip
                display.begin(run, Progress(campaign, lab.clock.now, simulated=lab.simulated), journal.name)
                if changed:
                    run.controller.note(f"resumed with --decisions-changed: {changed}")
                for one in run.controller.recovered:
                    console.print(
                        f"run {one.uid} was left open by a crash and is closed now ({one.documents} documents stored)"
                    )
                for words in what_waits(journal, lab.instruments):
                    console.print(words, style="bold yellow", markup=False)
                with interrupts(run):
                    ran = _Ran(run.run(), uploader, instruments_words(lab.instruments))
        except UnsafeError as error:
            if ran is None:  # another error is on its way, which is reported first
                raise
            ran.unsafe = error
        finally:
            display.finish()
        if any(one.scope == WHOLE_LAB for one in open_latches(journal, lab.instruments)):
            ran.reset = reset_command(journal, lab.instruments)
    return ran


@contextlib.contextmanager
def interrupts(run: CampaignRun) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal end the campaign: after the current operation, the second time at once."""
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
            "stopping now: all stations are halted"
            if now
            else "stopping after the current operation; press again to stop at once",
            style="bold yellow",
        )

    before = {number: signal.signal(number, stop) for number in stopping()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def store_of(options: RunOptions) -> Iterator[Any]:
    """The uploader into the data store; None without one."""
    if not options.store:
        yield None
        return
    from labwright.store import Uploader

    uploader = Uploader(options.data / "runs", options.data / "tiled")
    try:
        uploader.start()
    except StoreError as error:  # an index that can be made again later stops no experiment
        console.print(f"the campaign continues without a data store: {error}", style="bold yellow", markup=False)
        yield None
        return
    yield uploader


def _report(data: Path, place: str | Path, campaign: str, world: Any) -> Path | None:
    """The report's place; a campaign that has ended well has done so even if its report cannot be written."""
    try:
        return write_report(data, campaign, world=world, place=place)
    except OSError as error:
        console.print(f"the report cannot be written: {error}", style="bold yellow", markup=False)
        console.print(
            f"write it elsewhere with: labwright report {quoted(campaign)} --data {quoted(data)} --out FILE",
            markup=False,
        )
        return None
