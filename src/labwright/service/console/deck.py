"""Samples and the deck: a drawing of what stands where, and a list of what was made and what became of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from markupsafe import Markup

from labwright.engine.remarks import about_named
from labwright.facts.samples import lineage_facts, sample_facts, sample_list
from labwright.facts.stocks import stock_facts
from labwright.model.errors import ConfigError, RefusedError
from labwright.report.svg import LETTER
from labwright.service.console.inventory import amount_words
from labwright.service.console.labels import Words
from labwright.service.console.live import page
from labwright.service.console.page import PageRoute, Shown
from labwright.service.console.saying import said_about
from labwright.service.gate import Asker
from labwright.service.rights import can
from labwright.service.samples import allowed
from labwright.service.state import Service
from labwright.service.stocks import STOCK

router = APIRouter(include_in_schema=False, route_class=PageRoute)

SAMPLES_MOST = 200
"""In the list, the newest first."""

NUMBER_MOST = 6
"""Digits of a sample's number; the digits in a campaign's name are more."""

COLUMNS = 10
"""Positions of a rack that are drawn beside each other."""

NAMED_COLUMNS = 3
"""Positions that are by themselves, with their names below: as many beside each other."""

CELL, GAP, LINE = 54, 6, 24
"""Sizes of the drawing, in its own units."""


def samples(service: Service, asker: Asker, words: Words, request: Request) -> Shown:
    """The deck, if one may see it, and samples that one may see."""
    known = service.owned.known()
    wanted = request.query_params.get("find", "").strip()
    found: list[dict[str, Any]] = []
    positions: list[dict[str, Any]] = []
    with service.records.reading() as journal:
        for one in reversed(sample_list(journal)):
            if len(found) == SAMPLES_MOST:
                break
            if wanted and not _is_found(one, wanted):
                continue
            what = service.owned.campaign(journal, one["campaign"], "sample", one["sample"], known)
            if can(asker.who, "sample.read", what):
                found.append(one)
        if can(asker.who, "stock.read", STOCK):
            try:
                positions = stock_facts(journal)["positions"]
            except (ConfigError, RefusedError):  # nothing stands anywhere yet, or there are several decks
                positions = []
    data = {"samples": found, "most": SAMPLES_MOST, "find": wanted, "drawn": drawn(positions, words)}
    return Shown(words("samples"), "samples", data, ("deck", "list"))


def _is_found(one: dict[str, Any], wanted: str) -> bool:
    """Whether a sample is meant: by its number, with or without leading zeros, its id, or a part of its name."""
    if wanted.isdecimal() and len(wanted) <= NUMBER_MOST:
        return bool(one["label"].isdecimal() and int(one["label"]) == int(wanted))
    return wanted in (one["id"], one["label"]) or wanted in one["sample"]


def sample(service: Service, asker: Asker, words: Words, request: Request) -> Shown:
    """A sample: what it was made of, where it went, what was found."""
    name = str(request.path_params["sample"])
    with service.records.reading() as journal:
        full = allowed(service, asker, journal, "sample.read", name)
        facts = sample_facts(journal, full)
        above = lineage_facts(journal, full, "up") if can(asker.who, "stock.read", STOCK) else []
        said = said_about(service, asker, journal, about_named(sample=full))
        books = bool(can(asker.who, "sample.book", service.owned.campaign(journal, facts["campaign"], "sample", full)))
    data = {"sample": facts, "flows": flows_of(above or facts["made_of"]), "books": books, "said": said}
    return Shown(words("sample.of", label=facts["label"]), "sample", data, ("facts", "flows", "notes"))


@dataclass(frozen=True)
class Place:
    """From where, or to where, something has passed.

    Attributes:
        kind: ``container``, ``sample``, ``waste`` or ``outside``.
        name: of it.
    """

    kind: str
    name: str

    @classmethod
    def of(cls, place: str) -> Place:
        """A place as the ledger names it."""
        kind, _, name = place.partition(":")
        return cls(kind, name)


def flows_of(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What has passed, for people: from where, to where, of what, and how much.

    Args:
        rows: as `lineage_facts` or `sample_facts` have them.
    """
    return [
        {
            "source": Place.of(one["taken_from"]), "into": Place.of(one["put_into"]), "what": one["material"],
            "lot": one["lot"], "amount": amount_words(one["amount"], one["unit"]),
            "unknown": amount_words(one["unknown"], one["unit"]) if one["unknown"] else "",
        }
        for one in rows
    ]  # fmt: skip


def drawn(positions: list[dict[str, Any]], words: Words) -> Markup:
    """The deck as SVG: racks as grids, other positions in a row; empty, unused, in use and used up differ by shape.

    Args:
        positions: as `stock_facts` has them.
        words: of the reader.
    """
    if not positions:
        return Markup("")
    racks: dict[str, list[dict[str, Any]]] = {}
    for one in positions:
        rack = re.fullmatch(r"(.+?)_?\d+", one["position"])
        racks.setdefault(rack[1] if rack else "", []).append(one)
    single = [one for name, some in racks.items() if name == "" or len(some) == 1 for one in some]
    groups = {name: some for name, some in racks.items() if name and len(some) > 1}
    if single:
        groups = {**groups, "": single}
    y, parts = 0, []
    for name, some in groups.items():
        columns = COLUMNS if name else NAMED_COLUMNS
        wide = COLUMNS * (CELL + GAP) // columns - GAP
        parts.append(f'<text x="0" y="{y + 17}">{escape(name)}</text>' if name else "")
        y += LINE if name else 0
        for index, one in enumerate(some):
            x, down = index % columns * (wide + GAP), y + index // columns * (CELL + LINE)
            title = re.sub(r"^.*?(?=\d+$)", "", one["position"]) if name else one["position"]
            parts.append(_cell(one, x, down, wide, words, title))
        y += -(-len(some) // columns) * (CELL + LINE) + GAP
    title = escape(words("deck"))
    return Markup(  # noqa: S704 - drawn here, every text in it is escaped
        f'<svg class="lw deck" viewBox="-2 -2 {COLUMNS * (CELL + GAP)} {y}" role="img" aria-labelledby="deck-t deck-d" '
        f'xmlns="http://www.w3.org/2000/svg"><title id="deck-t">{title}</title>'
        f'<desc id="deck-d">{escape(words("deck.drawn", n=len(positions)))}</desc>{"".join(parts)}</svg>'
    )


def _cell(one: Mapping[str, Any], x: int, y: int, wide: int, words: Words, title: str) -> str:
    """A position with its name: dashed if empty, a ring for an unused container, filled in use, crossed if used up."""
    state = _state(one)
    middle_x, middle_y = x + wide / 2, y + CELL / 2
    dash = ' stroke-dasharray="4 3"' if state == "empty" else ""
    mark = {
        "empty": "",
        "fresh": f'<circle cx="{middle_x}" cy="{middle_y}" r="16" fill="none" stroke="var(--c1)" stroke-width="2.5"/>',
        "in_use": f'<circle cx="{middle_x}" cy="{middle_y}" r="25" fill="var(--c1)"/>',
        "used_up": f'<path d="M{middle_x - 12} {middle_y - 12}l24 24m0-24l-24 24" class="cross"/>',
    }[state]
    label = str(one["experiment"] or "")
    number = escape(label) if state in ("in_use", "used_up") and label.isdecimal() else ""
    text = f'<text class="on" x="{middle_x}" y="{middle_y + 6}" text-anchor="middle">{number}</text>' if number else ""
    if state == "used_up" and number:
        text = f'<text x="{middle_x}" y="{y + CELL - 5}" text-anchor="middle">{number}</text>'
    kind = "at long" if len(title) * LETTER > wide else "at"
    below = f'<text class="{kind}" x="{middle_x}" y="{y + CELL + 18}" text-anchor="middle">{escape(title)}</text>'
    said = escape(f"{one['position']}: {words('deck.' + state)} {one['holds'] or ''} {one['experiment'] or ''}".strip())
    return (
        f'<g><title>{said}</title><rect x="{x}" y="{y}" width="{wide}" height="{CELL}" rx="6" fill="var(--paper)" '
        f'stroke="var(--soft)" stroke-width="1.2"{dash}/>{mark}{text}{below}</g>'
    )


def _state(one: Mapping[str, Any]) -> str:
    if not one["holds"]:
        return "empty"
    if one["used_up"]:
        return "used_up"
    return "in_use" if one["experiment"] or not one["unused"] else "fresh"


page(router, "/samples", samples)
page(router, "/samples/{sample:path}", sample)
