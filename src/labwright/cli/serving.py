"""`labwright serve`: the controller of a lab, until a signal ends it; campaigns are handed to it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labwright.cli.output import console, emitted, whoami
from labwright.cli.relay import relayed
from labwright.cli.reporting import write_report
from labwright.cli.running import RunOptions, journal_of, store_of
from labwright.cli.signals import stopping
from labwright.cli.simulating import opened
from labwright.cli.words import note
from labwright.engine import CampaignCore, LabController, resume_campaign
from labwright.engine.events import Event
from labwright.engine.following import Follower
from labwright.engine.lifecycle import TakeUp, close, take_up
from labwright.engine.upgrading import refuse_other_decisions
from labwright.journal import LoggedEvent, instruments_words, place_option
from labwright.model.errors import LabwrightError
from labwright.service.settings import ServiceSettings
from labwright.service.signin.provider import read_provider

SEEN_S = 5.0
"""Wall seconds in which what happened last is still shown, once the lab is safe."""


@dataclass(frozen=True)
class HttpOptions:
    """How the lab is served over HTTP, as `labwright.service.settings.ServiceSettings` has it."""

    host: str
    port: int
    certificate: Path | None
    private_key: Path | None
    proxy: str
    host_names: tuple[str, ...] = ()
    oidc: Path | None = None


def serve_lab(root: Path, options: RunOptions, http: HttpOptions | None) -> int:
    """Run the lab's controller until SIGTERM or Ctrl-C; the exit code.

    What is under way then ends after its operation and is resumed by the next controller; a second signal stops all.

    Args:
        root: the lab's folder.
        options: of the controller.
        http: how the lab is served over HTTP; not at all if None.

    Raises:
        RefusedError: keys would cross a network in the clear.
    """
    settings = _settings(root, options, http) if http is not None else None
    with (
        relayed(),
        opened(root, simulated=options.simulated, endpoints=options.endpoints, speed=options.speed,
               seed=options.seed or 0) as (folder, lab, world),
        journal_of(options) as journal,
    ):  # fmt: skip
        journal.claim()
        taken = take_up(journal, lab.instruments)
        resume = {
            campaign: resume_campaign(folder, first, changed=options.lab_changed)
            for campaign, first in taken.resume.items()
        }
        changed = {
            campaign: refuse_other_decisions(journal, campaign, confirmed=options.decisions_changed)
            for campaign in resume
        }
        with store_of(options) as uploader, lab.opened(undisturbed=bool(resume)):
            by = options.by or whoami()
            close(journal, taken, by)
            controller = LabController(
                lab, journal, options.data, uploader.notify if uploader else None,
                by=by, resume=resume, unattended=options.on_question == "fail",
            )  # fmt: skip
            for campaign, words in changed.items():
                if words:
                    controller.note_on(campaign, f"resumed with --decisions-changed: {words}")
            shown = _Shown(controller, options, world)
            _say_begin(lab, place_option(journal), taken)
            try:
                with _serving(settings), _signals(controller):
                    controller.run(lambda: False)
            finally:
                shown.close()
    return 0


def _settings(root: Path, options: RunOptions, http: HttpOptions) -> ServiceSettings:
    """Of the service, and whether it may be reached so.

    Raises:
        RefusedError: keys would cross a network in the clear; or what reads tokens is not installed.
        ConfigError: the file that names the OpenID provider has mistakes.
    """
    settings = ServiceSettings(root=root, data=options.data, journal=str(options.place), **vars(http))
    settings.refuse_exposed()
    read_provider(settings.oidc, settings.data)
    return settings


@contextlib.contextmanager
def _serving(settings: ServiceSettings | None) -> Iterator[None]:
    """The service beside the controller; at its first start the admin's key is shown, and never again."""
    if settings is None:
        yield
        return
    from labwright.service.process import ServiceKeeper

    say_first_key(settings)
    keeper = ServiceKeeper(settings, lambda words: console.print(words, markup=False))
    try:
        yield
    finally:
        keeper.close()


def say_first_key(settings: ServiceSettings) -> None:
    """Make the first admin's key and show it, where people are not known yet."""
    from labwright.service.database import Door, door_place
    from labwright.service.people import first_admin

    with Door(door_place(settings.journal)) as door, door.writing() as connection:
        key = first_admin(connection)
    if key is not None:
        console.print("The first admin's key, which is shown only now and kept nowhere:", style="bold", markup=False)
        console.print(f"  {key.secret}", markup=False)


def _say_begin(lab: Any, place: str, taken: TakeUp) -> None:
    console.print(
        f"The controller of {lab.model.name} runs on {instruments_words(lab.instruments)}. Hand it a campaign with: "
        f"labwright campaign submit SPEC {place}",
        style="bold",
        markup=False,
    )
    for campaign in taken.resume:
        console.print(f"{campaign} was interrupted; resuming it", markup=False)


class _Shown:
    """A line for what is not normal in each campaign, or every event as JSON; its report when it has ended."""

    def __init__(self, controller: LabController, options: RunOptions, world: Any) -> None:
        self._controller = controller
        self._options = options
        self._world = world
        self._followers: list[Follower] = []
        for campaign in controller.hosted:
            self._follow(campaign)
        controller.on_start = self._follow

    def close(self) -> None:
        """Show the rest, as long as that does not take long."""
        for follower in self._followers:
            follower.end()
        for follower in self._followers:
            follower.wait(SEEN_S)
            follower.close()

    def _follow(self, campaign: str) -> None:
        self._followers.append(self._controller.follow(campaign, self._tell))

    def _tell(self, logged: LoggedEvent, event: Event, core: CampaignCore) -> bool:
        if self._options.json:
            emitted({**logged.payload, "campaign": core.campaign, "id": logged.id})
        elif words := note(logged.payload):
            console.print(f"{core.campaign}: {words}", markup=False)
        elif event.kind == "started":
            console.print(f"{core.campaign} has started, by {event.by}", markup=False)
        if core.over:
            self._ended(core)
            return False
        return True

    def _ended(self, core: CampaignCore) -> None:
        console.print(f"{core.campaign} {core.phase}: {core.reason}", style="bold", markup=False)
        try:
            report = write_report(self._options.data, core.campaign, world=self._world, place=self._options.place)
        except (LabwrightError, OSError) as error:
            console.print(f"no report of {core.campaign}: {error}", style="bold yellow", markup=False)
            return
        console.print(f"Report           {report}", markup=False)


@contextlib.contextmanager
def _signals(controller: LabController) -> Iterator[None]:
    """The first signal ends the controller after the operations under way; the second stops everything now."""
    received = 0

    def end(number: int, frame: Any) -> None:
        nonlocal received
        received += 1
        # In a thread: what the handler interrupts may hold the very lock that the engine's mailbox needs.
        threading.Thread(target=tell, args=(signal.Signals(number).name, received > 1), daemon=True).start()

    def tell(name: str, now: bool) -> None:
        if now:
            controller.ask_to_stop("Ctrl-C" if name == "SIGINT" else name, now=True)
            console.print("stopping now: all stations are halted", style="bold yellow")
            return
        console.print(
            f"{name}: the controller ends after the operations under way; its campaigns are resumed by the next one. "
            "Once more stops everything now",
            style="bold yellow",
        )
        controller.leave()

    before = {number: signal.signal(number, end) for number in stopping()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
