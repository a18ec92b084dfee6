"""A lab's protocols: which there are, and each of them made for its lab."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

from pydantic import ValidationError

from labwright.lab import LabFolder
from labwright.lab.classes import in_words, load_module, resolve
from labwright.model.errors import ConfigError, unknown
from labwright.model.names import protocol_collisions
from labwright.model.words import what_is_wrong
from labwright.stations.protocol import LabProtocol
from labwright.stations.skips import declared_at, needed_skips
from labwright.stations.transport import Carrying, LabTransport

_STEP = re.compile(r"\bstep (\w+):")


def protocol_classes(folder: LabFolder) -> dict[str, str]:
    """Class paths of the lab's protocols by name: every subclass of LabProtocol with a name in `protocols/`.

    Raises:
        ConfigError: a module there cannot be imported, or two protocols have one name.
    """
    return classes_in(folder.root)


def classes_in(root: Path) -> dict[str, str]:
    """As `protocol_classes`, for a lab whose own files may be wrong; the caller has entered its folder.

    Raises:
        ConfigError: a module there cannot be imported, or two protocols have one name.
    """
    found: dict[str, str] = {}
    for path in sorted((root / "protocols").glob("*.py")):
        if path.stem == "__init__":
            continue
        module_name = f"protocols.{path.stem}"
        module = load_module(module_name)
        for value in vars(module).values():
            own = isinstance(value, type) and issubclass(value, LabProtocol) and value.__module__ == module_name
            if not own or "name" not in vars(value):
                continue
            if value.name in found:
                raise ConfigError(f"two protocols are called {value.name!r}: {found[value.name]} and {module_name}")
            found[value.name] = f"{module_name}:{value.__name__}"
    return found


def make_protocol(folder: LabFolder, name: str) -> LabProtocol:
    """The lab's protocol `name`, checked against its stations.

    Raises:
        ConfigError: there is none, or it does not fit.
    """
    classes = protocol_classes(folder)
    if name not in classes:
        raise ConfigError(unknown("protocol", name, list(classes)))
    with in_words(ConfigError, classes[name]):
        protocol: LabProtocol = resolve(classes[name])(folder.model)
        try:
            protocol.check_fits()
        except ValidationError as error:
            words = f"{classes[name]}: {what_is_wrong(error)}"
            raise ConfigError(f"{_manual_at(protocol, words, folder.root)}{words}") from error
        except ConfigError as error:
            raise ConfigError(f"{_manual_at(protocol, str(error), folder.root)}{error}") from error
        return protocol
    raise AssertionError("unreachable")


def _manual_at(protocol: LabProtocol, words: str, root: Path) -> str:
    """File and line of the step of a person's that a message is about; empty where it is about none."""
    named = _STEP.search(words)
    if named is None or not any(step.manual is not None for step in protocol.steps if step.name == named[1]):
        return ""
    return f"{declared_at(protocol, named[1], root)}: "


def make_carriers(folder: LabFolder, station: str = "") -> dict[str, Carrying]:
    """The moves of the lab's transports, by transport.

    Args:
        folder: of the lab.
        station: only those that this station carries out; all if empty.

    Raises:
        ConfigError: a class cannot be made, or is no transport.
    """
    made = {}
    for name, transport in folder.model.transports.items():
        if transport.carries is None or station not in ("", transport.station):
            continue
        with in_words(ConfigError, transport.carries):
            kind = resolve(transport.carries)
            if not issubclass(kind, LabTransport):
                raise ConfigError(
                    f"transports.{name}.carries: {transport.carries} is no LabTransport; derive it from "
                    "labwright.stations.LabTransport and write its plan, carry"
                )
            made[name] = Carrying(kind(folder.model, name))
    return made


def check_declared(protocol: LabProtocol, root: Path) -> None:
    """Refuse a protocol in which a name means two things, or a step may be skipped that others need.

    That is apart from `make_protocol`, which old campaigns need as well.

    Raises:
        ConfigError: every such name and step, with file and line.
    """
    wrong = needed_skips(protocol, root)
    if found := protocol_collisions(protocol.spec):
        file = Path(inspect.getsourcefile(type(protocol)) or "")
        line = inspect.getsourcelines(type(protocol))[1]
        place = f"{file.relative_to(root) if file.is_relative_to(root) else file}:{line}"
        wrong += [f"{place}: {words}" for words in found]
    if wrong:
        raise ConfigError("\n".join(wrong))
