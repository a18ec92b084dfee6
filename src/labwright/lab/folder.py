"""A lab folder, read and checked: everything that can be known before anything is opened."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labwright.hardware import LabDevice
from labwright.hardware.transport import visa_mistake
from labwright.lab.classes import FOLDERS, enter, resolve
from labwright.lab.earlier import earlier_form, same_lab
from labwright.lab.validation import examine
from labwright.lab.yamlfile import Mistake, MistakesError, YamlFile
from labwright.model.errors import ConfigError, unknown
from labwright.model.lab import LabModel
from labwright.model.ports import SerialAddress, TcpAddress, VisaAddress

CONFIG = "lab_config"
FILES = ("lab.yaml", "devices.yaml", "inventory.yaml", "simulation.yaml")
DESK_FILE = "desk.yaml"
"""The rules of its request desk; no part of the lab that its controller knows (`labwright.lab.desk`)."""
GIVEN = ("self", "name", "port", "clock", "limits", "world", "device", "kwargs", "args")
"""Arguments of drivers and simulators that Labwright gives, not the lab's files."""


@dataclass(frozen=True)
class LabFolder:
    """A lab folder that was read.

    Attributes:
        root: the folder.
        model: the lab as data.
        sha256: hash of all its files that matter; recorded with every run.
        earlier_sha256: those it had in the form of earlier versions, if only the form has changed since.
    """

    root: Path
    model: LabModel
    sha256: str
    earlier_sha256: frozenset[str] = frozenset()


def read_lab(root: Path) -> LabFolder:
    """Read and check the lab in `root`, its classes included.

    Raises:
        MistakesError: every mistake in every file, each with file, line and column.
        ConfigError: the folder is no lab, or another lab is open in this process.
    """
    root = root.resolve()
    files = lab_files(root)
    if earlier := list(earlier_form(files, root)):
        raise MistakesError(earlier)
    reading = examine(LabModel, files)
    enter(root)
    by_key = {key: file for file in files for key in file.data}
    mistakes = [
        *reading.mistakes,
        *_address_mistakes(reading.built, by_key),
        *_class_mistakes(reading.built, by_key),
    ]
    if mistakes:
        raise MistakesError(mistakes)
    sha256 = folder_hash(root)
    return LabFolder(root, reading.built, sha256, same_lab(root, sha256))


def folder_hash(root: Path, instead: Mapping[Path, bytes] = {}) -> str:
    """SHA-256 over names and contents of the lab's YAML and Python files, in a fixed order.

    Args:
        root: of the lab.
        instead: other contents for some of its files.
    """
    digest = hashlib.sha256()
    paths = [path for folder in (CONFIG, *FOLDERS) for path in (root / folder).rglob("*")]
    for path in sorted(paths):
        if path == root / CONFIG / DESK_FILE:
            continue
        if path.suffix in (".yaml", ".py", ".json") and path.is_file():
            digest.update(f"{path.relative_to(root)}\0".encode())
            digest.update(instead[path] if path in instead else path.read_bytes())
    return digest.hexdigest()


def lab_files(root: Path) -> list[YamlFile]:
    """The lab's own YAML files, in a fixed order.

    Raises:
        MistakesError: one is no YAML.
        ConfigError: the folder is no lab, or has files that would not be read.
    """
    folder = root / CONFIG
    if not folder.is_dir():
        raise ConfigError(f"{root} is no lab: it has no folder {CONFIG}/. Make one with: labwright init {root}")
    present = [name for name in FILES if (folder / name).exists()]
    strangers = sorted(path.name for path in folder.glob("*.y*ml") if path.name not in (*FILES, DESK_FILE))
    strangers += sorted(f"campaigns/{path.name}" for path in folder.glob("campaigns/*.yml"))
    if strangers:
        raise ConfigError(
            f"{folder}: {', '.join(strangers)} would not be read; the files here are {', '.join(FILES)} and "
            f"{DESK_FILE}, and campaigns are {CONFIG}/campaigns/*.yaml"
        )
    if FILES[0] not in present:
        raise ConfigError(f"{folder} has no {FILES[0]}; a lab needs at least its name, ports, devices and stations")
    files, mistakes = [], []
    for name in present:
        try:
            files.append(YamlFile(folder / name, Path(CONFIG) / name))
        except MistakesError as error:
            mistakes += error.mistakes
    if mistakes:
        raise MistakesError(mistakes)
    return files


def _address_mistakes(model: LabModel, by_key: dict[str, YamlFile]) -> Iterator[Mistake]:
    """Addresses that can never be opened; whether something is there is seen when the lab is opened."""
    for name, port in model.ports.items():
        if isinstance(port, VisaAddress) and (words := visa_mistake(port.resource)):
            yield by_key["ports"].mistake(["ports", name, "resource"], f"ports.{name}.resource: {words}")
        if isinstance(port, SerialAddress) and not port.path.startswith("/"):
            words = f"{port.path!r} is no device of this system; write it as /dev/ttyUSB0 or /dev/serial/by-id/NAME"
            yield by_key["ports"].mistake(["ports", name, "path"], f"ports.{name}.path: {words}")
        if isinstance(port, TcpAddress) and (not port.host or any(one in port.host for one in " /")):
            words = f"{port.host!r} is no host; write its name or number alone, as in 10.1.2.3"
            yield by_key["ports"].mistake(["ports", name, "host"], f"ports.{name}.host: {words}")


def _class_mistakes(model: LabModel, by_key: dict[str, YamlFile]) -> Iterator[Mistake]:
    for name, device in model.devices.items():
        where = ["devices", name]
        file = by_key["devices"]
        kind = yield from _settings_mistakes(file, where, "driver", device.driver, device.settings)
        if kind is None:
            continue
        if not issubclass(kind, LabDevice):
            yield file.mistake([*where, "driver"], f"{'.'.join(where)}.driver: {device.driver} is no LabDevice")
            continue
        yield from (file.mistake([*where, "driver"], f"{device.driver}: {words}") for words in kind.mistakes())
        for axis in device.limits:
            if axis not in kind.axis_names():
                words = f"{'.'.join(where)}.limits: {unknown('axis', axis, kind.axis_names())}"
                yield file.mistake([*where, "limits", axis], words, at_key=True)
    for name, transport in model.transports.items():
        if transport.carries is not None:
            try:
                resolve(transport.carries)
            except ConfigError as error:
                spot = ["transports", name, "carries"]
                yield by_key["transports"].mistake(spot, f"{'.'.join(spot)}: {error}")
    if model.simulation is None:
        return
    file, spec = by_key["simulation"], model.simulation
    yield from _settings_mistakes(file, ["simulation"], "world", spec.world, spec.settings, given=("seed",))
    for name, one in spec.devices.items():
        where = ["simulation", "devices", name]
        kind = yield from _settings_mistakes(file, where, "simulator", one.simulator, one.settings)
        if kind is None:
            continue
        if not hasattr(kind, "add_fault"):  # the layers know no simulation: by what it can
            yield file.mistake([*where, "simulator"], f"{'.'.join(where)}.simulator: {one.simulator} is no simulator")
            continue
        yield from (file.mistake([*where, "simulator"], f"{one.simulator}: {words}") for words in kind.mistakes())


def _settings_mistakes(
    file: YamlFile, where: list[str], key: str, path: str, settings: dict[str, Any], given: tuple[str, ...] = ()
) -> Generator[Mistake, None, type[Any] | None]:
    """A class that cannot be imported, and settings its constructor does not take or misses; returns the class."""
    try:
        kind = resolve(path)
    except ConfigError as error:
        yield file.mistake([*where, key], f"{'.'.join([*where, key])}: {error}")
        return None
    parameters = {name: one for name, one in inspect.signature(kind).parameters.items() if name not in (*GIVEN, *given)}
    takes = [name for name, one in parameters.items() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    for name in settings:
        if name not in takes:
            spot = [*where, "settings", name]
            yield file.mistake(spot, f"{'.'.join(spot)}: {unknown('setting', name, takes)}", at_key=True)
    for name in takes:
        if parameters[name].default is inspect.Parameter.empty and name not in settings:
            spot = [*where, "settings"]
            yield file.mistake(spot, f"{'.'.join(where)}: {path} needs the setting {name!r}", at_key=True)
    return kind
