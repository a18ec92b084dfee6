"""`labwright check` and `labwright schema`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from pydantic import BaseModel

from labwright.cli.output import console, counted, emit
from labwright.model.errors import ConfigError, JournalError, unknown

if TYPE_CHECKING:
    from labwright.lab import LabFolder, Mistake
    from labwright.model.lab import LabModel


def check_lab(root: Path, *, json: bool) -> None:
    """Check everything that can be checked without opening a port.

    Raises:
        ConfigError: everything that was found.
    """
    from labwright.engine import campaign_files
    from labwright.lab import MistakesError, read_lab
    from labwright.lab.desk import read_desk

    root = root.resolve()
    folder: LabFolder | None = None
    mistakes: list[Mistake] = []
    problems: list[str] = []
    try:
        folder = read_lab(root)
    except MistakesError as error:
        mistakes += error.mistakes
    protocols = _check_protocols(folder, problems) if folder else {}
    campaigns = campaign_files(root)
    learns: list[str] = []
    for path in campaigns.values():
        try:
            learns += _check_campaign(root, folder, path)
        except MistakesError as error:
            mistakes += error.mistakes
        except ConfigError as error:
            problems.append(str(error))
    if folder is not None:
        try:
            read_desk(root, folder.model, protocols)
        except MistakesError as error:
            mistakes += error.mistakes
    if json:
        for one in mistakes:
            emit({"file": str(one.file), "line": one.line, "column": one.column, "message": one.message})
        for problem in problems:
            emit({"message": problem})
    if mistakes or problems or folder is None:
        raise ConfigError("\n".join([*([str(MistakesError(mistakes))] if mistakes else []), *problems]))
    model = folder.model
    learns += _counts_that_differ(root, model)
    found = {
        "lab": model.name,
        "stations": len(model.stations),
        "devices": len(model.devices),
        "protocols": sorted(protocols),
        "campaigns": sorted(campaigns),
        "sha256": folder.sha256,
        "notes": learns,
    }
    if json:
        emit(found)
    else:
        for words in learns:
            console.print(words, style="bold yellow", markup=False)
        console.print(
            f"{model.title}: {counted(len(model.stations), 'station')}, {counted(len(model.devices), 'device')}, "
            f"protocols {', '.join(sorted(protocols))}, campaigns {', '.join(sorted(campaigns)) or 'none'}. "
            "All is well."
        )


def _check_protocols(folder: LabFolder, problems: list[str]) -> dict[str, str]:
    from labwright.stations.catalogue import check_declared, make_protocol, protocol_classes

    try:
        protocols = protocol_classes(folder)
    except ConfigError as error:
        problems.append(str(error))
        return {}
    for name in protocols:
        try:
            check_declared(make_protocol(folder, name), folder.root)
        except ConfigError as error:
            problems.append(str(error))
    return protocols


def _counts_that_differ(root: Path, model: LabModel) -> list[str]:
    """Decks of the lab's own journal that were counted before its inventory.yaml was changed, in words."""
    from labwright.cli.places import data_folder
    from labwright.engine.inventory import deck_count, inventory_words
    from labwright.engine.recounting import decks
    from labwright.journal import Journal, journal_file
    from labwright.model.instruments import HERE

    place = journal_file(data_folder(root, None))
    if not place.exists():
        return []
    try:
        with Journal.reading(place) as journal:
            counts = [deck_count(journal, deck) for deck in decks(journal) if deck != HERE]
            return [words for count in counts if count is not None and (words := inventory_words(count, model))]
    except JournalError:  # of an earlier Labwright, which counted nothing
        return []


def _check_campaign(root: Path, folder: LabFolder | None, path: Path) -> list[str]:
    """Hold a campaign against its lab; if that is wrong itself, at least against its own form and its protocol.

    Returns:
        what a person should know of it: that it learns from simulated instruments, or real ones, whatever it runs on,
            or that its deadline has passed.
    """
    from labwright.engine import load_campaign
    from labwright.engine.campaign import campaign_file, deadline_passed, mistakes_without_lab
    from labwright.engine.earlier import kind_words
    from labwright.lab import MistakesError
    from labwright.model.spec import WarmStart

    if folder is None:
        if mistakes := mistakes_without_lab(root, path):
            raise MistakesError(mistakes)
        return []
    spec = load_campaign(folder, path).spec
    passed = deadline_passed(spec, time.time())
    notes = [str(campaign_file(root, path).mistake(["deadline"], f"deadline: {passed}"))] if passed else []
    return notes + [
        f"campaign {spec.name} learns from {one.campaign} on {kind_words(one.simulated)}, whatever it runs on itself, "
        "as its warm_start states"
        for one in spec.warm_start
        if isinstance(one, WarmStart)
    ]


def print_schema(what: str) -> None:
    """Print a JSON Schema.

    Raises:
        typer.BadParameter: no such schema.
    """
    from labwright.model.campaign import CampaignState
    from labwright.model.desk import DeskPolicy
    from labwright.model.lab import LabModel
    from labwright.model.spec import CampaignSpec

    models: dict[str, type[BaseModel]] = {
        "lab": LabModel,
        "campaign": CampaignSpec,
        "campaign-state": CampaignState,
        "desk": DeskPolicy,
    }
    if what not in models:
        raise typer.BadParameter(unknown("schema", what, list(models)))
    emit(models[what].model_json_schema())
