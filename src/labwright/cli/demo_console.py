"""`labwright demo --console`: the reference lab in a browser, simulated, with two campaigns under way."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
import webbrowser
from dataclasses import dataclass
from pathlib import Path

from labwright.cli.output import console
from labwright.cli.running import RunOptions, submit_campaign
from labwright.cli.serving import HttpOptions, serve_lab
from labwright.journal import Journal, journal_file, schema
from labwright.model.errors import JournalError, LabwrightError, RefusedError
from labwright.model.states import OVER
from labwright.service.rights import Role

VISITOR = "demo"
"""Who looks at it."""

ROLES: tuple[Role, ...] = ("operator", "data_steward", "admin")

HOURS_S = 12 * 3600.0
"""Wall seconds for which the link to sign in by holds."""

CAMPAIGNS = (("gp", 1), ("random", 2))
"""Planner and seed of each."""

READY_S = 120.0
"""Wall seconds in which the controller is there."""


@dataclass(frozen=True)
class DemoOptions:
    """How it is shown.

    Attributes:
        data: folder for what is recorded.
        speed: of lab time against the wall's.
        budget: experiments of each campaign.
        port: of the pages.
    """

    data: Path
    speed: float
    budget: int
    port: int


def demo_console(root: Path, options: DemoOptions) -> int:
    """Serve the reference lab until Ctrl-C; the exit code.

    Args:
        root: the lab's folder.
        options: how it is shown.
    """
    options.data.mkdir(parents=True, exist_ok=True)
    link = f"http://127.0.0.1:{options.port}/sign-in?next=/now&invitation={_invitation(options.data)}"
    console.print("SIMULATED: no instrument, sample or result is real. Sign in once, as a person of all roles:",
                  style="bold", markup=False)  # fmt: skip
    console.print(f"  {link}", markup=False, soft_wrap=True)
    threading.Thread(target=_begin, args=(root, options, link), daemon=True).start()
    run = RunOptions(data=options.data, simulated=True, speed=options.speed, store=False, by=VISITOR)
    return serve_lab(root, run, HttpOptions("127.0.0.1", options.port, None, None, ""))


def _invitation(data: Path) -> str:
    """The secret by which the visitor signs in, once."""
    from labwright.service.database import Door, door_place
    from labwright.service.people import add_person, first_admin
    from labwright.service.signin.sessions import invite

    place = journal_file(data)
    Journal(place).close()
    with Door(door_place(str(place))) as door, door.writing() as connection:
        first_admin(connection)  # its key is kept nowhere: the visitor is an admin
        with contextlib.suppress(RefusedError):  # known from the last time
            add_person(connection, VISITOR, roles=ROLES, shown="Demo")
        return invite(connection, VISITOR, VISITOR, time.time() + HOURS_S)


def _begin(root: Path, options: DemoOptions, link: str) -> None:
    """Hand campaigns to the controller once it is there, unless some are under way already, and open the browser."""
    ends_s = time.monotonic() + READY_S
    while not (here := _here(options.data)):
        if time.monotonic() > ends_s:
            return
        time.sleep(0.2)
    if here == "idle":
        for planner, seed in CAMPAIGNS:
            run = RunOptions(
                data=options.data, simulated=True, budget=options.budget, seed=seed, planner=planner, by=VISITOR
            )
            try:
                submit_campaign(root, "conductivity", run)
            except LabwrightError as error:
                console.print(f"no campaign was started: {error}", style="bold yellow", markup=False)
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform in ("darwin", "win32"):
        webbrowser.open(link)


def _here(data: Path) -> str:
    """``idle`` or ``busy`` once a controller runs; empty before."""
    try:
        with Journal.reading(journal_file(data)) as journal:
            if not journal.controlled():
                return ""
            under_way = journal.rows(schema.campaign, schema.campaign.c.state.not_in(OVER))
            return "busy" if under_way else "idle"
    except JournalError:
        return ""
