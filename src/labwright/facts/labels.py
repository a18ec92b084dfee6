"""Labels for containers: what is stuck on them, as a sheet of SVG at its true size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

from labwright.engine.by_hand import deck_named
from labwright.engine.inventory import stocks_of
from labwright.engine.stocks import Stock
from labwright.journal import Journal
from labwright.model.errors import ConfigError, unknown

WIDTH_MM, HEIGHT_MM, COLUMNS = 63.5, 25.4, 3
"""As common sheets of labels on A4 have them."""

CODE_MM = 20.0
MARGIN_MM = 2.7
FITS, LONGEST = 20, 36
"""Characters that fit beside a code as they are, and narrowed."""


def label_facts(journal: Journal, instruments: str = "", names: Sequence[str] = ()) -> dict[str, Any]:
    """The sheet (``svg``), and what the code on each label says (``labels``).

    Args:
        journal: opened to be read.
        instruments: which deck; the only one if empty.
        names: of containers; all if none is given.

    Raises:
        ConfigError: the deck has no such container, or the journal does not know the deck.
        RefusedError: it knows several, or none.
    """
    stocks = stocks_of(journal, deck_named(journal, instruments))
    if wrong := [unknown("container", name, list(stocks)) for name in names if name not in stocks]:
        raise ConfigError("; ".join(wrong))
    chosen = {name: stocks[name] for name in names or stocks}
    return {"labels": {name: code_of(name, stock) for name, stock in chosen.items()}, "svg": sheet(chosen)}


def code_of(name: str, stock: Stock) -> str:
    """What a label's code says: the barcode that the container has already, or its name."""
    return stock.facts.barcode or name


def sheet(stocks: dict[str, Stock]) -> str:
    """A sheet of labels as SVG, in millimetres."""
    rows = -(-len(stocks) // COLUMNS)
    width, height = COLUMNS * WIDTH_MM, max(1, rows) * HEIGHT_MM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}mm" height="{height:g}mm" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="sans-serif" font-size="2.9">'
    ]
    for number, (name, stock) in enumerate(stocks.items()):
        row, column = divmod(number, COLUMNS)
        parts.append(f'<g transform="translate({column * WIDTH_MM:g} {row * HEIGHT_MM:g})">{_label(name, stock)}</g>')
    return "".join(parts) + "</svg>\n"


def _label(name: str, stock: Stock) -> str:
    import segno  # only where labels are made

    code = segno.make(code_of(name, stock), error="m", micro=False)
    modules = [[bool(one) for one in row] for row in code.matrix_iter(border=0)]
    size = CODE_MM / len(modules)
    path = "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(modules) for x, dark in enumerate(row) if dark)
    facts = stock.facts
    lines = [
        name,
        facts.material,
        f"lot {facts.lot}" if facts.lot else "",
        f"opened {facts.opened}" if facts.opened else "",
        f"use until {facts.expires}" if facts.expires else "",
    ]
    words = "".join(
        f'<text x="{2 * MARGIN_MM + CODE_MM:g}" y="{6 + 3.6 * number:g}"{_bold(number)}{_narrowed(line)}>'
        f"{escape(_short(line))}</text>"
        for number, line in enumerate(line for line in lines if line)
    )
    scale = f'transform="translate({MARGIN_MM} {MARGIN_MM}) scale({size:.5f})"'
    return f'<path {scale} d="{path}" fill="#000"/>{words}'


def _bold(number: int) -> str:
    return "" if number else ' font-weight="bold"'


def _narrowed(line: str) -> str:
    """How a line that is too long for its label is made to fit."""
    room_mm = WIDTH_MM - CODE_MM - 3 * MARGIN_MM
    return f' textLength="{room_mm:g}" lengthAdjust="spacingAndGlyphs"' if len(line) > FITS else ""


def _short(line: str) -> str:
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
