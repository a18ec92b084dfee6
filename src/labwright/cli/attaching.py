"""`labwright serve --controller`: the HTTP service alone, for a controller that runs elsewhere."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from labwright.cli.output import console
from labwright.cli.serving import HttpOptions, say_first_key
from labwright.journal import Journal, journal_file
from labwright.model.errors import ConfigError, RefusedError
from labwright.service.process import run
from labwright.service.settings import ServiceSettings
from labwright.service.signin.provider import read_provider

HEARD_S = 60.0
"""Wall seconds in which a controller on another machine has said that it is there; it does every few seconds."""


def attach(controller: str, lab: Path | None, data: Path | None, http: HttpOptions) -> int:
    """Serve a lab whose controller runs in another process until SIGTERM or Ctrl-C; the exit code.

    Args:
        controller: its data folder, or the URL of its journal.
        lab: the lab's folder, for what has to be held against it; None if it is not here.
        data: folder of runs and reports, where the journal is at a URL.
        http: how it is served.

    Raises:
        ConfigError: there is no journal; or a service is named.
        RefusedError: its controller is on another machine, which a file does not reach; keys would cross a network in
            the clear; or the address is taken.
        JournalError: the journal cannot be read, or is of another version.
    """
    place = _place(controller, data)
    folder = Path(controller) if isinstance(place, Path) else data
    settings = ServiceSettings(root=_lab(lab, folder), data=folder or Path.cwd(), journal=str(place), **vars(http))
    settings.refuse_exposed()
    read_provider(settings.oidc, settings.data)
    with Journal.reading(place) as journal:
        if isinstance(place, Path):
            _refuse_other_machine(journal)
        runs = journal.controlled()
        name = journal.name
    say_first_key(settings)
    if not runs:
        console.print(f"No controller runs on {name} now; its records are served, and nothing can be asked of it yet")
    if settings.root is None:
        console.print("No lab's folder is known here: campaigns are not handed over, and nothing is booked (--lab DIR)")
    return run(settings, parent=False, say=lambda words: console.print(words, markup=False))


def _place(controller: str, data: Path | None) -> str | Path:
    """The place of the controller's journal."""
    if controller.startswith(("http://", "https://")):
        raise ConfigError(
            f"--controller {controller} is a service. Name the controller's data folder, or the URL of its journal in "
            "PostgreSQL (postgresql://...)"
        )
    if "://" in controller:
        return controller
    folder = Path(controller)
    if data is not None and data.resolve() != folder.resolve():
        raise ConfigError(f"--controller {controller} is a data folder, and --data names another: leave --data out")
    if not journal_file(folder).exists():
        raise ConfigError(
            f"{folder} has no journal: no controller has run there. Start one with: labwright serve LAB --data "
            f"{folder} --no-http"
        )
    return journal_file(folder)


def _lab(lab: Path | None, data: Path | None) -> Path | None:
    """The lab's folder: as named, else the one in which the data folder is."""
    if lab is not None:
        if not (lab / "lab_config").is_dir():
            raise ConfigError(f"{lab} is no lab: it has no folder lab_config/")
        return lab
    above = None if data is None else data.resolve().parent
    return above if above is not None and (above / "lab_config").is_dir() else None


def _refuse_other_machine(journal: Journal) -> None:
    """A journal in a file is for one machine: locks of a shared folder are not to be relied on.

    Raises:
        RefusedError: a controller on another machine writes it.
    """
    newest = journal.controller()
    if newest is None or newest["host"] == socket.gethostname():
        return
    if time.time() - (newest["heartbeat_s"] or newest["began_s"]) < HEARD_S:
        raise RefusedError(
            f"the controller of {journal.name} runs on {newest['host']}, and this is {socket.gethostname()}: a journal "
            "in a file is for one machine. Serve it there, or put the journal into PostgreSQL (--journal "
            "postgresql://...)"
        )
