"""A lab folder of an earlier version, rewritten into this one's form: its YAML, and what its protocols ask of it."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from labwright.lab.earlier import RESERVE_ML, EarlierLab, both_forms, earlier_form, record_migration
from labwright.lab.folder import CONFIG, folder_hash, lab_files
from labwright.lab.validation import examine
from labwright.lab.yamlfile import MistakesError, YamlFile
from labwright.model.errors import ConfigError
from labwright.model.lab import LabModel

CONTAINER = "vial"
"""Kind of container where an earlier lab's files name none."""

ARM = "arm"
"""The transport of earlier labs, which had one."""

VESSEL = "vessel"
"""Kind of container of earlier labs' stocks, of which they said only how much must stay in it."""

MOVE_S = 15
"""Lab seconds that earlier versions took a move to last in the lab that came with them."""


@dataclass(frozen=True)
class Migration:
    """What a migration has done.

    Attributes:
        files: that were rewritten, relative to the lab.
        notes: what a person should do now, each in words.
    """

    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()


def migrate(root: Path) -> Migration:
    """Rewrite a lab folder into the form of this version; nothing is done to one that has it already.

    Raises:
        MistakesError: its files have mistakes, in the earlier form or in this one; nothing was written.
        ConfigError: the files do not say what carries containers there; nothing was written.
    """
    root = root.resolve()
    files = lab_files(root)
    if not list(earlier_form(files, root)):
        return Migration()
    if wrong := [*examine(EarlierLab, files).mistakes, *both_forms(files, root)]:
        raise MistakesError(wrong)
    notes: list[str] = []
    trees = {root / CONFIG / file.path.name: _tree(root / CONFIG / file.path.name) for file in files}
    before = {path: _text(tree) for path, tree in trees.items()}
    _rewrite(trees, root, notes)
    new = {path: text.encode() for path, tree in trees.items() if (text := _text(tree)) != before[path]}
    for path in sorted((root / "protocols").rglob("*.py")):
        code = path.read_text(encoding="utf-8")
        if (rewritten := _rewritten(code)) != code:
            new[path] = rewritten.encode()
        notes += [
            f"{path.relative_to(root)}:{number}: asks for {word}, which positions and stocks do not have any more; "
            f"{instead}"
            for number, word, instead in _left_in(rewritten)
        ]
    _check(root, new)
    record_migration(root, folder_hash(root), folder_hash(root, new))
    for path, data in new.items():
        path.write_bytes(data)
    return Migration(tuple(path.relative_to(root) for path in new), tuple(notes))


def _rewrite(trees: dict[Path, CommentedMap], root: Path, notes: list[str]) -> None:
    """Change the sections where they stand."""
    where = {str(key): tree for tree in trees.values() for key in tree}
    sections = {key: tree[key] for key, tree in where.items()}
    labware: dict[str, Any] = {}
    if "stocks" in where:
        for section, entries in _stocks(where["stocks"], sections, labware).items():
            where["stocks"][section] = entries
            where[section] = where["stocks"]
        notes.append(
            f"{CONFIG}/: write what the materials are (materials: title, cas, hazards, storage), and of which delivery "
            "each container is (lots: supplier, opened, expires)"
        )
    positions = sections.get("positions") or {}
    if any("arm_location" in one for one in positions.values() if isinstance(one, dict)):
        tree = where["positions"]
        kinds, named = _held(positions, root)
        labware.update({kind: _flow({"title": kind}) for kind in kinds})
        tree["transports"] = CommentedMap({ARM: _arm(_carrier(sections), positions, kinds)})
        if named:
            containers = where.get("containers", tree).setdefault("containers", CommentedMap())
            containers.update({name: _flow({"labware": kinds[0]}) for name in named})
        notes.append(
            f"{CONFIG}/: write how many microlitres a {' or a '.join(kinds)} holds (labware), how long the {ARM} takes "
            "for a move (transports), and at which station each position is (positions.NAME.station), if the lab is to "
            "carry by itself"
        )
    tree = where.get("labware") or where.get("positions") or where["stocks"]
    tree.setdefault("labware", CommentedMap()).update(labware)


def _stocks(tree: CommentedMap, sections: dict[str, Any], labware: dict[str, Any]) -> dict[str, CommentedMap]:
    """What the stocks of a file become: its sources, where the stocks stood, and what these refer to."""
    stocks: Any = tree["stocks"]
    at_stations = {
        device
        for station in (sections.get("stations") or {}).values()
        for device in (station.get("devices") or {}).values()
    }
    reserves = dict.fromkeys(one.get("reserve_ml", RESERVE_ML) for one in stocks.values())
    kinds = {ml: VESSEL if len(reserves) == 1 else f"{VESSEL}_{number}" for number, ml in enumerate(reserves, 1)}
    for ml, kind in kinds.items():
        labware[kind] = _flow({"title": "Vessel of a pump", "dead_ul": _plain(1000 * ml)})
    materials, lots, containers = CommentedMap(), CommentedMap(), CommentedMap()
    for name, one in stocks.items():
        volume_ml, kind = one.pop("volume_ml"), kinds[one.pop("reserve_ml", RESERVE_ML)]
        valve_port, device = one.pop("valve_port", 0), one.pop("pump")
        lot = f"{name}-1"
        materials[name] = _flow({"title": name})
        lots[lot] = _flow({"material": name})
        containers[lot] = _flow({"labware": kind, "lot": lot, "quantity": f"{_plain(volume_ml)} mL"})
        one.insert(0, "device", device)
        one.insert(1, "container", lot)
        if device not in at_stations:
            raise ConfigError(
                f"no station has the device {device!r} of stock {name!r}, so which one dispenses it does not follow "
                "from the lab's files; give it a role at one (stations.NAME.devices), and migrate again; nothing was "
                "written"
            )
        if valve_port:
            one["settings"] = _flow({"valve_port": valve_port})
    tree.insert(list(tree).index("stocks"), "sources", stocks)
    if "stocks" in tree.ca.items:
        tree.ca.items["sources"] = tree.ca.items.pop("stocks")
    del tree["stocks"]
    return {"materials": materials, "lots": lots, "containers": containers}


def _arm(station: str, positions: dict[str, Any], kinds: tuple[str, ...]) -> CommentedMap:
    """The transport of an earlier lab, whose positions knew their locations themselves."""
    taught = {name: one.pop("arm_location", None) for name, one in positions.items()}
    for one in positions.values():
        one.insert(0, "takes", _flow(list(kinds)))
    reaches = CommentedMap(_ranges({name: at for name, at in taught.items() if at is not None}))
    arm = CommentedMap({"station": station, "move_s": MOVE_S, "reaches": reaches})
    arm.yaml_add_eol_comment("how long a move takes", "move_s")
    return arm


def _held(positions: dict[str, Any], root: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Kinds of empty container, and containers with a name of their own: earlier files did not tell them apart.

    A kind is what protocols make samples in, and what stands in several positions.
    """
    held = [str(one.get("holds", "")) for one in positions.values() if isinstance(one, dict) and one.get("holds")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted((root / "protocols").rglob("*.py")))
    made_in = set(re.findall(r"""^\s+container\b[^=\n]*=\s*["'](\w+)["']""", code, re.MULTILINE))
    kinds = [one for one in dict.fromkeys(held) if one in made_in or held.count(one) > 1]
    return tuple(kinds or [CONTAINER]), tuple(one for one in dict.fromkeys(held) if one not in kinds)


def _carrier(sections: dict[str, Any]) -> str:
    """The station whose devices carry.

    Raises:
        ConfigError: the files do not say.
    """
    stations: dict[str, Any] = sections.get("stations") or {}
    with_arm = [name for name, one in stations.items() if ARM in (one.get("devices") or {})]
    for found in (with_arm, [name for name in stations if name in (ARM, "transport")], list(stations)):
        if len(found) == 1:
            return str(found[0])
    raise ConfigError(
        f"which station carries containers does not follow from the lab's files ({', '.join(stations)}); call the role "
        f"of the device that does {ARM!r} (stations.NAME.devices.{ARM}), and migrate again; nothing was written"
    )


def _ranges(taught: dict[str, int]) -> Iterator[tuple[str, Any]]:
    """Taught locations by position; a row of positions with a row of numbers in one line."""
    rows: list[list[tuple[str, int, str, int]]] = []
    for name, at in taught.items():
        found = re.fullmatch(r"(.*?)([1-9]\d*)", name)
        stem, number = (found[1], int(found[2])) if found else (name, -1)
        last = rows[-1][-1] if rows else ("", 0, "", 0)
        if found and last[2] == stem and (last[3] + 1, last[1] + 1) == (number, at):
            rows[-1].append((name, at, stem, number))
        else:
            rows.append([(name, at, stem, number)])
    for row in rows:
        first, last = row[0], row[-1]
        if len(row) == 1:
            yield first[0], first[1]
        else:
            yield f"{first[2]}[{first[3]}-{last[3]}]", f"[{first[1]}-{last[1]}]"


def _plain(value: float) -> float:
    """A number as a person would write it: without ``.0``."""
    return int(value) if value == int(value) else value


_VALVE = re.compile(r"\.stocks\[([^][]*(?:\[[^][]*\][^][]*)*)\]\.valve_port\b")
_LOCATION = re.compile(r"\.positions\[([^][]*(?:\[[^][]*\][^][]*)*)\]\.arm_location\b")


def _rewritten(code: str) -> str:
    """A protocol's code that asks the lab as this version answers."""
    code = _LOCATION.sub(rf'.transports["{ARM}"].reaches[\1]', code)
    return _VALVE.sub(r'.sources[\1].settings.get("valve_port", 0)', code)


def _left_in(code: str) -> Iterator[tuple[int, str, str]]:
    """What a person has to rewrite, by line: the word, and what to write instead."""
    instead = {
        "arm_location": f'write lab.transports["{ARM}"].reaches[POSITION]',
        "valve_port": 'write lab.sources[STOCK].settings["valve_port"]',
        ".pump": "write lab.sources[NAME].device",
    }
    for number, line in enumerate(code.splitlines(), start=1):
        for word, words in instead.items():
            asked = "stocks[" in line if word == ".pump" else True
            if asked and re.search(rf"(?<![\w\"']){re.escape(word)}\b(?![\"'])", line):
                yield number, word.lstrip("."), words


def _check(root: Path, new: dict[Path, bytes]) -> None:
    """Refuse what would be a lab with mistakes.

    Raises:
        MistakesError: those it would have.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for file in lab_files(root):
            path = root / CONFIG / file.path.name
            copy = Path(folder) / path.name
            copy.write_bytes(new.get(path) or path.read_bytes())
            files.append(YamlFile(copy, file.path))
        if mistakes := examine(LabModel, files).mistakes:
            raise MistakesError(mistakes)


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.width = 100_000  # a line that was one stays one
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _tree(path: Path) -> CommentedMap:
    return _yaml().load(path.read_text(encoding="utf-8")) or CommentedMap()


def _text(tree: CommentedMap) -> str:
    out = io.StringIO()
    _yaml().dump(tree, out)
    return out.getvalue()


def _flow(value: Any) -> Any:
    """A mapping or list on one line."""
    made: Any = CommentedMap(value) if isinstance(value, dict) else CommentedSeq(value)
    made.fa.set_flow_style()
    return made
