"""Which tables the planner was designed on, which it was not, and which others keep back.

A family is a group of tables of one origin: the same reaction on other substrates, the same instrument with another
liquid. What is learned on one table of a family is known of the others, so a family is never split: every family that
has a design table is a design family.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.planners.tables import Table, read_tables, same_data

SetName = Literal["design", "related", "confirm", "sealed", "sealed_related"]

WORDS: dict[SetName, str] = {
    "design": "tables the planner was designed on",
    "related": "tables not used in the design, of families that were",
    "confirm": "tables not used in the design, of families that were not used either",
    "sealed": "tables not named in the project, of families not named in it either; nothing is chosen by them",
    "sealed_related": "tables not named in the project, of families that are; nothing is chosen by them",
}
"""What each set is, in the order in which they are printed."""

LIANG = ("P3HT", "AgNP", "Perovskite", "AutoAM", "Crossed_barrel")
"""The five tables of Liang et al., npj Comput. Mater. 7, 188 (2021)."""

DESIGN = (*LIANG, "suzuki_i", "buchwald_c", "photo_pce10", "perovskites")
"""The same and four of Olympus, Häse et al., Mach. Learn.: Sci. Technol. 2, 035021 (2021)."""

FAMILIES: dict[str, str] = {
    "P3HT": "polymer blends",
    "AgNP": "silver nanoparticles",
    "Perovskite": "perovskite stability",
    "AutoAM": "additive manufacturing",
    "Crossed_barrel": "printed barrels",
    "suzuki_i": "Suzuki coupling in flow",
    "suzuki_ii": "Suzuki coupling in flow",
    "buchwald_a": "Buchwald-Hartwig",
    "buchwald_c": "Buchwald-Hartwig",
    "buchwald_e": "Buchwald-Hartwig",
    "photo_pce10": "photostability of blends",
    "perovskites": "perovskites by computation",
    "suzuki": "Suzuki coupling, amounts and temperature",
    "snar": "aromatic substitution in flow",
    "liquid_water": "liquid handling",
    "liquid_dce": "liquid handling",
    "liquid_toluene": "liquid handling",
    "oer_plate_3851": "oxygen evolution catalysts",
    "colors_n9": "colour mixing",
    "dye_lasers": "laser dyes",
}
"""Family of each public table by the table's name."""

SAME_DATA = {"thin_film": "Perovskite"}
"""Tables that hold the data of another one, which is the one that counts."""


@dataclass(frozen=True)
class Sets:
    """Tables and where each belongs.

    Args:
        tables: all that are run, in the order of `WORDS`.
        set_of: the set of each table.
        family_of: the family of each table.
        left_out: why tables of the folders are not run, one sentence each.
    """

    tables: tuple[Table, ...]
    set_of: Mapping[str, SetName]
    family_of: Mapping[str, str]
    left_out: tuple[str, ...] = ()

    def names(self, *sets: SetName) -> list[str]:
        """Tables of these sets."""
        return [table.name for table in self.tables if self.set_of[table.name] in sets]


def set_of(name: str) -> SetName:
    """Where a table that is named in the project belongs."""
    if name in DESIGN:
        return "design"
    return "related" if FAMILIES[name] in {FAMILIES[table] for table in DESIGN} else "confirm"


def read_sets(folder: Path, sealed: Path | None = None, names: Sequence[str] = ()) -> Sets:
    """The tables of a folder by set, and those of a second folder that others keep back.

    A table of the first folder that is not named in the project counts as one of the second.

    Args:
        folder: of tables.
        sealed: of tables that are not named in the project. A file `families.json` there may name the families, as
            {"table": "family"}; without it the part of a name before its last underscore is taken for the family.
        names: tables of `folder` to read; all without.

    Raises:
        ValueError: a table cannot be read, or one that was named is not there.
    """
    left_out: list[str] = []
    known: list[Table] = []
    others: list[tuple[Path, Table]] = []
    for table in read_tables(folder, names):
        if table.name in SAME_DATA:
            left_out.append(f"{table.name} holds the data of {SAME_DATA[table.name]}, which is the table that counts")
        elif table.name in FAMILIES:
            known.append(table)
        else:
            others.append((folder, table))
    if sealed is not None:
        others += [(sealed, table) for table in read_tables(sealed)]
    hidden: list[Table] = []
    for place, table in others:
        twin = next((other.name for other in [*known, *hidden] if same_data(table, other)), None)
        if table.name in FAMILIES or table.name in SAME_DATA:
            left_out.append(f"{table.name} of {place} is named in the project, so it is not sealed")
        elif twin is not None or table.name in {other.name for other in hidden}:
            left_out.append(f"{table.name} of {place} holds the data of {twin or 'another of this name'}")
        else:
            hidden.append(table)
    given = _families(sealed) if sealed is not None else {}
    family_of = {table.name: FAMILIES[table.name] for table in known}
    family_of |= {table.name: given.get(table.name) or _family(table.name) for table in hidden}
    sets = {table.name: set_of(table.name) for table in known}
    for table in hidden:
        sets[table.name] = "sealed_related" if family_of[table.name] in FAMILIES.values() else "sealed"
    order = list(WORDS)
    tables = sorted([*known, *hidden], key=lambda table: order.index(sets[table.name]))
    return Sets(tuple(tables), sets, family_of, tuple(left_out))


def _family(name: str) -> str:
    """The family of a table that is not named in the project, judged by its name."""
    alike = [family for table, family in FAMILIES.items() if _stem(table) == _stem(name)]
    return alike[0] if alike else _stem(name)


def _stem(name: str) -> str:
    return name.lower().rpartition("_")[0] or name.lower()


def _families(folder: Path) -> dict[str, str]:
    file = folder / "families.json"
    if not file.exists():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{file}: not JSON ({error})") from error
    if not isinstance(found, dict):
        raise ValueError(f'{file}: not of the form {{"table": "family"}}')
    return {str(name): str(family) for name, family in found.items()}
