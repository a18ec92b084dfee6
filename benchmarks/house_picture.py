"""Draws the house, from the layers in pyproject.toml and the imports in the code: `python -m benchmarks.house_picture`.

A storey is a layer; a room is a package, with the first sentence of its docstring and the packages that it imports.
"""

from __future__ import annotations

import ast
import textwrap
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import grimp  # comes with import-linter

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "explanation" / "house.svg"
ENGINE = "labwright"
LAB = ("devices", "protocols", "simulators")
"""The folders of the reference lab that hold code."""

CORE = "labwright.engine.lab"
"""What it imports is the part of the engine that only decides."""

WIDTH = 560
"""Of the drawing, in the units of its letters: on a page of 420 pixels these are still 11 pixels high."""

LEFT, RIGHT, TOP = 34, 6, 96
GAP = 12
PAD = 11
LINE = 19
NAME = 22
LETTER = 7.7
"""How wide a letter of 15 units is on average; a little more than it is, so that no line leaves its room."""

STYLE = """
.house{--ink:#1c2733;--soft:#52616f;--line:#b9c4ce;--paper:#fff;--room:#f3f6f8;--core:#dcebf3;--blue:#0b6e99}
@media(prefers-color-scheme:dark){.house{--ink:#e3e9ee;--soft:#a3b1bd;--line:#46545f;--paper:#141b22;--room:#1d262e;
--core:#173646;--blue:#6cc3e6}}
.house{background:var(--paper)}
.house text{fill:var(--ink);font:15px system-ui,sans-serif}
.house .name{font-weight:700;font-size:17px;fill:var(--blue)}
.house .uses{fill:var(--soft)}
.house .room{fill:var(--room);stroke:var(--line);stroke-width:1.2}
.house .beside{stroke-dasharray:5 4}
.house .core{fill:var(--core);stroke:none}
.house .roof{fill:none;stroke:var(--line);stroke-width:2.5;stroke-linejoin:round}
.house .down{stroke:var(--blue);stroke-width:2;fill:none}
.house .tip{fill:var(--blue)}
"""


@dataclass(frozen=True)
class Room:
    """A package or a module at the top of the engine, or a folder of the lab.

    Attributes:
        name: of it.
        about: the first sentence of its docstring.
        uses: what of the other rooms it imports.
        core: names of its files that only decide.
        beside: whether it stands beside the layers.
    """

    name: str
    about: str
    uses: tuple[str, ...]
    core: tuple[str, ...] = ()
    beside: bool = False


@dataclass(frozen=True)
class House:
    """What is drawn.

    Attributes:
        storeys: rooms side by side, from the top down.
        beside: what the layers do not import, except for the command line.
        lab: a lab's folders.
    """

    storeys: tuple[tuple[Room, ...], ...]
    beside: tuple[Room, ...]
    lab: tuple[Room, ...]


def read_house() -> House:
    """The house as it is in the code."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = next(one for one in project["tool"]["importlinter"]["contracts"] if one["type"] == "layers")
    graph = grimp.build_graph(ENGINE, *LAB, cache_dir=None)
    imports: dict[str, set[str]] = {}
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            imports.setdefault(_room(module), set()).add(_room(imported))
    storeys = [[name.strip(" ()") for name in layer.split("|")] for layer in layers["layers"]]
    beside = [name for name in layers["exhaustive_ignores"] if not name.startswith("_")]
    order = [*beside, *(name for storey in storeys for name in storey)]
    decides = sorted(
        module.rpartition(".")[2]
        for module in {CORE, *graph.find_upstream_modules(CORE)}
        if module.startswith(f"{ENGINE}.engine.")
    )

    def room(name: str, *, is_beside: bool = False, folder: str = f"src/{ENGINE}/") -> Room:
        used = imports.get(name, set())
        known = [one for one in order if one in used and one != name]
        core = tuple(decides) if name == "engine" else ()
        return Room(name, _about(ROOT / f"{folder}{name}"), tuple(known), core, is_beside)

    there = [[name for name in storey if f"{ENGINE}.{name}" in graph.modules] for storey in storeys]
    return House(
        tuple(tuple(room(name) for name in storey) for storey in there if storey),
        tuple(room(name, is_beside=True) for name in beside),
        tuple(room(name, is_beside=True, folder="") for name in LAB),
    )


def _room(module: str) -> str:
    """The room that a module is in."""
    parts = module.split(".")
    return parts[1] if parts[0] == ENGINE and len(parts) > 1 else parts[0]


def _about(place: Path) -> str:
    """The first sentence of a package's or a module's docstring."""
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    said = (ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
    return " ".join(said.split()).split(". ")[0].rstrip(".").replace("`", "")


def draw(house: House) -> str:
    """The house as an SVG document, for a light and a dark page."""
    pieces: list[str] = []
    y = float(TOP)
    wide = WIDTH - LEFT - RIGHT
    for storey in house.storeys:
        y = _row(pieces, storey, LEFT, y, wide) + GAP
    bottom = y - GAP
    middle = LEFT + wide / 2
    roof = f"M{LEFT - 12},{TOP - 8} L{middle:g},8 L{WIDTH - RIGHT + 4},{TOP - 8} Z"
    title = f"src/{ENGINE}: an import goes down only"
    pieces.append(f'<path class="roof" d="{roof}"/>')
    pieces.append(f'<g text-anchor="middle">{_text("name", middle, 54, f"src/{ENGINE}")}')
    pieces.append(f"{_text('uses', middle, 76, 'an import goes down only')}</g>")
    pieces.append(f'<path class="down" d="M14,{TOP} V{bottom - 9:g}"/>')
    pieces.append(f'<path class="tip" d="M8,{bottom - 11:g} h12 l-6,11 z"/>')
    y += 22
    pieces.append(_text("uses", LEFT, y, "beside the layers, of which only cli imports simulation"))
    y = _row(pieces, house.beside, LEFT, y + 10, wide) + 34
    pieces.append(_text("uses", LEFT, y, f"the folder of a lab, which src/{ENGINE} loads by its path"))
    height = _row(pieces, house.lab, LEFT, y + 10, wide) + 8
    return (
        f'<svg class="house" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" role="img" '
        f'aria-labelledby="house-t" xmlns="http://www.w3.org/2000/svg"><style>{STYLE}</style>'
        f'<title id="house-t">{title}</title>\n' + "\n".join(pieces) + "\n</svg>\n"
    )


def _row(pieces: list[str], rooms: Sequence[Room], x: float, y: float, wide: float) -> float:
    """Draw rooms side by side; where they end below."""
    shares = [2 if room.core else 1 for room in rooms]
    each = (wide - GAP * (len(rooms) - 1)) / sum(shares)
    drawn = [_Drawn(room, each * share) for room, share in zip(rooms, shares, strict=True)]
    height = max(one.height for one in drawn)
    for one in drawn:
        pieces += one.pieces(x, y, height)
        x += one.wide + GAP
    return y + height


class _Drawn:
    """A room with its words broken into lines."""

    def __init__(self, room: Room, wide: float) -> None:
        self.room = room
        self.wide = wide
        self.about = self._lines([room.about])
        self.core = self._lines([f"decides, and imports model alone: {', '.join(room.core)}"] if room.core else [])
        self.uses = self._lines([f"imports {', '.join(room.uses)}"] if room.uses else [])
        self.height = 2 * PAD + NAME + LINE * (len(self.about) + len(self.uses)) + 5
        if self.core:
            self.height += LINE * len(self.core) + PAD

    def pieces(self, x: float, y: float, height: float) -> Iterator[str]:
        """Its frame and its words.

        Args:
            x: left.
            y: top.
            height: of the row it is in.
        """
        kind = "room beside" if self.room.beside else "room"
        yield f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{self.wide:g}" height="{height:g}" rx="6"/>'
        y += PAD + 15
        yield _text("name", x + PAD, y, self.room.name)
        y += NAME - 2
        for line in self.about:
            yield _text("", x + PAD, y, line)
            y += LINE
        if self.core:
            box = f'x="{x + PAD / 2:g}" y="{y - LINE + 6:g}" width="{self.wide - PAD:g}"'
            yield f'<rect class="core" {box} height="{LINE * len(self.core) + 8}" rx="4"/>'
            y += 4
            for line in self.core:
                yield _text("", x + PAD, y, line)
                y += LINE
            y += 6
        y += 5
        for line in self.uses:
            yield _text("uses", x + PAD, y, line)
            y += LINE

    def _lines(self, words: Iterable[str]) -> list[str]:
        letters = int((self.wide - 2 * PAD) / LETTER)
        return [line for one in words for line in textwrap.wrap(one, letters, break_on_hyphens=False)]


def _text(kind: str, x: float, y: float, words: str) -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:g}" y="{y:g}">{escape(words)}</text>'


def main() -> None:
    """Write docs/explanation/house.svg."""
    PICTURE.write_text(draw(read_house()), encoding="utf-8")
    print(PICTURE.relative_to(ROOT))


if __name__ == "__main__":
    main()
