"""The rules of the lab's request desk, read from `lab_config/desk.yaml`.

It is no part of the lab as its controller knows it: a new price or new terms do not make it another lab.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from labwright.lab.folder import CONFIG, DESK_FILE
from labwright.lab.validation import examine
from labwright.lab.yamlfile import Mistake, MistakesError, YamlFile
from labwright.model.desk import DeskPolicy
from labwright.model.errors import unknown
from labwright.model.lab import LabModel

__all__ = ["read_desk", "read_rules"]


def read_desk(root: Path, model: LabModel, protocols: Collection[str]) -> DeskPolicy:
    """The rules of a lab's request desk; those that hold without a file, if it has none.

    Args:
        root: the lab's folder.
        model: the lab as data, whose names the rules use.
        protocols: names of its protocols.

    Raises:
        MistakesError: every mistake in the file, with line and column.
    """
    path = root / CONFIG / DESK_FILE
    if not path.exists():
        return DeskPolicy()
    file = YamlFile(path, Path(CONFIG) / DESK_FILE)
    reading = examine(DeskPolicy, [file])
    mistakes = [*reading.mistakes, *_unknown_names(file, model, protocols)]
    if mistakes:
        raise MistakesError(mistakes)
    return reading.built


def read_rules(root: Path) -> DeskPolicy:
    """As `read_desk`, whatever its names mean in the lab, whose own code is not needed then.

    Args:
        root: the lab's folder.

    Raises:
        MistakesError: every mistake in the file, with line and column.
    """
    path = root / CONFIG / DESK_FILE
    return examine(DeskPolicy, [YamlFile(path, Path(CONFIG) / DESK_FILE)]).whole if path.exists() else DeskPolicy()


def _unknown_names(file: YamlFile, model: LabModel, protocols: Collection[str]) -> Iterator[Mistake]:
    """Names in the file that are not the lab's."""
    stations = [*model.stations]
    materials = sorted({stock.material for stock in model.stocks.values()})
    named = {
        ("offers",): ("protocol", [*protocols]),
        ("hazards",): ("station", stations),
        ("reactivity",): ("material", materials),
        ("prices", "station_hour"): ("station", stations),
        ("prices", "material"): ("material", materials),
    }
    for where, (kind, known) in named.items():
        found = file.data
        for step in where:
            found = found.get(step) if isinstance(found, dict) else None  # type: ignore[assignment]
        for name in found if isinstance(found, dict) else ():
            if name not in known:
                path = ".".join(where)
                yield file.mistake([*where, name], f"{path}: {unknown(kind, str(name), known)}", at_key=True)
    offers = file.data.get("offers")
    for name, offer in offers.items() if isinstance(offers, dict) else ():
        prepare = offer.get("prepare") if isinstance(offer, dict) else None
        for index, one in enumerate(prepare if isinstance(prepare, list) else ()):
            if one not in protocols:
                words = unknown("protocol", str(one), [*protocols])
                yield file.mistake(["offers", name, "prepare", index], f"offers.{name}.prepare.{index}: {words}")
