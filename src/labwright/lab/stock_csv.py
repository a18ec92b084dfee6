"""Containers as rows of a CSV file: what has come, and what there is."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

from pydantic import ValidationError

from labwright.model.errors import ConfigError, unknown
from labwright.model.material import StockAt, StockFacts
from labwright.model.quantities import amount
from labwright.model.supplies import ContainerSpec
from labwright.model.words import what_is_wrong

COLUMNS = (
    "container", "labware", "material", "lot", "quantity", "barcode", "opened", "expires", "status", "place",
)  # fmt: skip
"""In this order when written; read in any order."""

NEEDED = ("container", "labware", "material", "quantity")


def read_stocks(file: Path) -> dict[str, StockAt]:
    """The containers of a CSV file, by name.

    Raises:
        ConfigError: every mistake, with its line.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:  # as spreadsheets write it
            reader = csv.DictReader(lines, strict=True)
            columns = [(name or "").strip() for name in reader.fieldnames or ()]
            reader.fieldnames = columns
            _check_columns(file, columns)
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{file}: cannot be read as CSV in UTF-8: {error}") from error
    found: dict[str, StockAt] = {}
    wrong: list[str] = []
    seen: dict[tuple[str, str], int] = {}
    for number, row in rows:
        where = f"{file}:{number}"
        if None in row or None in row.values():
            wrong.append(f"{where}: it has not as many cells as the first line has names")
            continue
        cells = {name: text.strip() for name, text in row.items()}
        if not any(cells.values()):
            continue
        for column in ("container", "barcode", "place"):
            text = cells.get(column, "")
            if text and (first := seen.setdefault((column, text), number)) != number:
                wrong.append(f"{where}: {column} {text!r} is there twice, first in line {first}")
        try:
            found[cells["container"]] = read_row(cells)
        except ConfigError as error:
            wrong.append(f"{where}: {error}")
    if wrong:
        raise ConfigError("\n".join(wrong))
    if not found:
        raise ConfigError(f"{file}: there is no container in it; write a line for each under {','.join(NEEDED)}")
    return found


def read_row(row: Mapping[str, str]) -> StockAt:
    """A container from its cells.

    Args:
        row: by column; an empty cell is none.

    Raises:
        ConfigError: a cell is missing, or no such thing.
    """
    if missing := [name for name in NEEDED if not row.get(name)]:
        raise ConfigError(f"no {', '.join(missing)}; a container needs {', '.join(NEEDED)}")
    try:
        there = amount(row["quantity"])
        spec = ContainerSpec(  # which says what may stand on a label
            labware=row["labware"],
            lot=row.get("lot") or row["container"],
            quantity=there,
            barcode=row.get("barcode", ""),
        )
        days = {name: date.fromisoformat(row[name]) for name in ("opened", "expires") if row.get(name)}
        status = row.get("status") or "released"
        facts = StockFacts.model_validate(
            {
                "material": row["material"], "lot": spec.lot, "unit": there.unit, "labware": spec.labware,
                "barcode": spec.barcode, "place": place_of(row.get("place", "")), "status": status, **days,
            }
        )  # fmt: skip
    except ValidationError as error:
        raise ConfigError(what_is_wrong(error)) from error
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return StockAt(facts=facts, count=there.count)


def place_of(text: str) -> str:
    """A place as the ledger calls it.

    Raises:
        ConfigError: it is neither a source, a position nor the shelf.
    """
    if text in ("", "shelf"):
        return ""
    kind, colon, name = text.partition(":")
    if not colon or kind not in ("source", "position") or not name:
        raise ConfigError(f"place {text!r} is none; write source:NAME, position:NAME, or shelf")
    return text


def written(stocks: Iterable[Mapping[str, str]], file: Path) -> None:
    """Write containers as `read_stocks` reads them."""
    with file.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(stocks)


def _check_columns(file: Path, columns: list[str]) -> None:
    wrong = [unknown("column", name, list(COLUMNS)) for name in columns if name not in COLUMNS]
    wrong += [f"no column {name!r}" for name in NEEDED if name not in columns]
    wrong += [f"column {name!r} is there twice" for name in dict.fromkeys(columns) if columns.count(name) > 1]
    if wrong:
        raise ConfigError(f"{file}:1: {'; '.join(wrong)}")
