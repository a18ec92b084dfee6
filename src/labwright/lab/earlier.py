"""Lab folders in the form of earlier versions: recognised, and known again after `labwright lab migrate`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ConfigDict

from labwright.lab.yamlfile import Mistake, YamlFile
from labwright.model.base import Frozen, FrozenModel, Name, NotNegative, Positive, Whole

RESERVE_ML = 0.5
"""What had to stay of a stock where the lab's files did not say it."""

NEW = {"stocks": ("materials", "lots", "containers", "sources"), "positions": ("transports",)}
"""Sections that take the place of an earlier one."""

RECORD = Path("lab_config") / "migrated.jsonl"
"""In a lab's folder: a line for each migration, with the hash of the lab before and after."""


class EarlierPosition(FrozenModel):
    """A position; its number was that of the location taught to the arm."""

    model_config = ConfigDict(extra="ignore")

    arm_location: Whole | None = None
    holds: str = ""


class EarlierStock(Frozen):
    """A stock, with its pump and the port of the valve."""

    pump: Name
    valve_port: Whole = 0
    volume_ml: Positive
    reserve_ml: NotNegative = RESERVE_ML


class EarlierStation(FrozenModel):
    """Of a station, its devices by role."""

    model_config = ConfigDict(extra="ignore")

    devices: dict[Name, Name] = {}


class EarlierLab(FrozenModel):
    """The sections from which a migration makes others."""

    model_config = ConfigDict(extra="ignore")

    stations: dict[Name, EarlierStation] = {}
    positions: dict[Name, EarlierPosition] = {}
    stocks: dict[Name, EarlierStock] = {}


def earlier_form(files: Sequence[YamlFile], root: Path) -> Iterator[Mistake]:
    """Where files have a form that this version does not read any more; each section once."""
    for file in files:
        if "stocks" in file.data:
            yield file.mistake(["stocks"], _words("stocks", root), at_key=True)
        positions = file.data.get("positions")
        for name, one in positions.items() if isinstance(positions, dict) else ():
            if isinstance(one, dict) and "arm_location" in one:
                yield file.mistake(["positions", name, "arm_location"], _words("positions", root), at_key=True)
                break


def both_forms(files: Sequence[YamlFile], root: Path) -> Iterator[Mistake]:
    """Where sections stand already that a migration would make."""
    old = {one.message.partition(":")[0] for one in earlier_form(files, root)}
    for file in files:
        for section in sorted(old):
            for key in NEW[section]:
                if key in file.data:
                    words = (
                        f"{key}: there are {section} in the form of an earlier Labwright as well; take one of them out"
                    )
                    yield file.mistake([key], words, at_key=True)


def _words(section: str, root: Path) -> str:
    command = f"labwright lab migrate {shlex.quote(str(root))}"
    return f"{section}: in the form of an earlier Labwright. Have the lab's files rewritten: {command}"


def same_lab(root: Path, sha256: str) -> frozenset[str]:
    """Hashes that this lab had in earlier forms, if nothing but the form has changed since."""
    path = root / RECORD
    if not path.is_file():
        return frozenset()
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    same = {sha256}
    for line in reversed(lines):
        if line["to"] in same:
            same.add(line["from"])
    return frozenset(same - {sha256})


def record_migration(root: Path, before: str, after: str) -> None:
    """Write down that a lab with one hash is the same with another."""
    with (root / RECORD).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"from": before, "to": after}) + "\n")
