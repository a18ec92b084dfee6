"""A campaign read from its file, and held against the lab before anything moves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labwright.engine.core import CampaignCore
from labwright.lab import LabFolder, Mistake, MistakesError, YamlFile, validate
from labwright.lab.classes import resolve
from labwright.lab.folder import CONFIG
from labwright.model.errors import ConfigError, unknown
from labwright.model.lab import LabModel
from labwright.model.space import Categorical
from labwright.model.spec import CampaignSpec
from labwright.planners import Planner, load_planner
from labwright.stations import LabProtocol

VIAL = "vial"
"""What `holds` says of a position with an empty vial."""


@dataclass(frozen=True)
class Campaign:
    """A campaign that fits its lab.

    Attributes:
        spec: as written.
        protocols: the protocol and its preparations, by name.
        planner: who chooses.
        vials: positions with empty vials, in the order they will be used.
        places: where the containers of preparations stand.
    """

    spec: CampaignSpec
    protocols: dict[str, LabProtocol]
    planner: Planner
    vials: tuple[str, ...]
    places: dict[str, str]

    def core(self) -> CampaignCore:
        """The engine's core for it."""
        return CampaignCore(self.spec, {name: one.spec for name, one in self.protocols.items()}, self.places)


def campaign_files(folder: LabFolder) -> dict[str, Path]:
    """The lab's own campaigns by name."""
    return {path.stem: path for path in sorted((folder.root / CONFIG / "campaigns").glob("*.yaml"))}


def load_campaign(
    folder: LabFolder, path: Path, *, budget: int | None = None, seed: int | None = None, planner: str | None = None
) -> Campaign:
    """Read the campaign at `path` and check that the lab can carry it out.

    Args:
        folder: the lab.
        path: the campaign's file.
        budget: another number of experiments than the file says.
        seed: another seed.
        planner: another planner, by name, with its default options.

    Raises:
        MistakesError: every mistake in the file, with line and column.
        ConfigError: the lab lacks a protocol, a vial, or enough of a stock.
    """
    shown = path.relative_to(folder.root) if path.is_relative_to(folder.root) else path
    file = YamlFile(path, shown)
    spec = validate(CampaignSpec, [file])
    changes = {"budget": budget, "seed": seed, "planner": {"name": planner} if planner else None}
    given = {key: value for key, value in changes.items() if value is not None}
    if given:
        spec = CampaignSpec.model_validate({**spec.model_dump(), **given})
    mistakes: list[Mistake] = []
    protocols = _protocols(folder, file, spec, mistakes)
    if spec.protocol in protocols:
        mistakes += _space_mistakes(file, spec, protocols[spec.protocol])
    try:
        chosen = load_planner(spec.planner)
    except ConfigError as error:
        mistakes.append(file.mistake(["planner"], str(error)))
    if mistakes:
        raise MistakesError(mistakes)
    vials = tuple(name for name, position in folder.model.positions.items() if position.holds == VIAL)
    if len(vials) < spec.budget:
        raise ConfigError(
            f"campaign {spec.name}: {spec.budget} experiments need {spec.budget} empty vials, the lab has "
            f"{len(vials)}; fill the rack (inventory.yaml, positions with holds: {VIAL}) or lower the budget"
        )
    _check_stocks(folder.model, spec, protocols)
    return Campaign(spec, protocols, chosen, vials, {})


def protocol_classes(folder: LabFolder) -> dict[str, str]:
    """Class paths of the lab's protocols by name: every subclass of LabProtocol with a name in `protocols/`.

    Raises:
        ConfigError: a module there cannot be imported, or two protocols have one name.
    """
    import importlib

    found: dict[str, str] = {}
    for path in sorted((folder.root / "protocols").glob("*.py")):
        if path.stem == "__init__":
            continue
        module_name = f"protocols.{path.stem}"
        try:
            module = importlib.import_module(module_name)
        except (ImportError, SyntaxError, NameError, AttributeError, TypeError, ValueError) as error:
            raise ConfigError(f"protocols/{path.name} cannot be imported: {type(error).__name__}: {error}") from error
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
    protocol: LabProtocol = resolve(classes[name])(folder.model)
    protocol.check_fits()
    return protocol


def _protocols(
    folder: LabFolder, file: YamlFile, spec: CampaignSpec, mistakes: list[Mistake]
) -> dict[str, LabProtocol]:
    made: dict[str, LabProtocol] = {}
    places = [(spec.protocol, ["protocol"]), *((name, ["prepare", str(i)]) for i, name in enumerate(spec.prepare))]
    for name, where in places:
        try:
            made[name] = make_protocol(folder, name)
        except ConfigError as error:
            mistakes.append(file.mistake(where, f"{'.'.join(where)}: {error}"))
    return made


def _space_mistakes(file: YamlFile, spec: CampaignSpec, protocol: LabProtocol) -> list[Mistake]:
    """The space held against the protocol's parameters: names, units, envelope."""
    mistakes: list[Mistake] = []
    known = {one.name: one for one in protocol.parameters}
    for index, parameter in enumerate(spec.space.parameters):
        where: list[str | int] = ["space", "parameters", index]
        label = f"space.parameters.{index}"
        if parameter.name not in known:
            words = unknown(f"parameter of {protocol.name}", parameter.name, list(known))
            mistakes.append(file.mistake([*where, "name"], f"{label}.name: {words}"))
            continue
        allowed = known[parameter.name]
        if isinstance(parameter, Categorical):
            mistakes.append(file.mistake(where, f"{label}: {parameter.name} is a number, not a category"))
            continue
        if parameter.unit != allowed.unit:
            words = f"{parameter.name} is in {allowed.unit!r}, not in {parameter.unit!r}"
            mistakes.append(file.mistake([*where, "unit"], f"{label}.unit: {words}"))
        for bound in ("low", "high"):
            value = getattr(parameter, bound)
            if not allowed.low <= value <= allowed.high:
                words = f"{value:g} is outside the protocol's {allowed.low:g} to {allowed.high:g} {allowed.unit}"
                mistakes.append(file.mistake([*where, bound], f"{label}.{bound}: {words}"))
    for name, value in spec.fixed.items():
        if name not in known:
            words = unknown(f"parameter of {protocol.name}", name, list(known))
            mistakes.append(file.mistake(["fixed", name], f"fixed.{name}: {words}", at_key=True))
        elif not known[name].low <= value <= known[name].high:
            words = (
                f"{value:g} is outside the protocol's {known[name].low:g} to {known[name].high:g} {known[name].unit}"
            )
            mistakes.append(file.mistake(["fixed", name], f"fixed.{name}: {words}"))
    for name in known:
        if name not in spec.space.names and name not in spec.fixed:
            words = f"parameter {name!r} of {protocol.name} is neither searched nor fixed"
            mistakes.append(file.mistake(["space"], words, at_key=True))
    results = {one.name: one for one in protocol.results}
    if spec.objective.name not in results:
        words = unknown(f"result of {protocol.name}", spec.objective.name, list(results))
        mistakes.append(file.mistake(["objective", "name"], f"objective.name: {words}"))
    elif spec.objective.unit != results[spec.objective.name].unit:
        words = f"{spec.objective.name} is in {results[spec.objective.name].unit!r}, not in {spec.objective.unit!r}"
        mistakes.append(file.mistake(["objective", "unit"], f"objective.unit: {words}"))
    return mistakes


def _check_stocks(lab: LabModel, spec: CampaignSpec, protocols: dict[str, LabProtocol]) -> None:
    """Refuse a campaign that could run a stock dry in the worst case."""
    needed: dict[str, float] = {}
    for name, times in [(spec.protocol, spec.budget), *((name, 1) for name in spec.prepare)]:
        for stock, volume_ml in protocols[name].worst_consumption_ml().items():
            needed[stock] = needed.get(stock, 0.0) + times * volume_ml
    short = []
    for stock, volume_ml in needed.items():
        if stock not in lab.stocks:
            raise ConfigError(unknown("stock", stock, list(lab.stocks)))
        there = lab.stocks[stock].volume_ml - lab.stocks[stock].reserve_ml
        if volume_ml > there:
            short.append(f"  {stock}: may need {volume_ml:.1f} ml, {there:.1f} ml can be used")
    if short:
        raise ConfigError(
            f"campaign {spec.name}: stocks may not last for {spec.budget} experiments; refill them (inventory.yaml) or "
            "lower the budget:\n" + "\n".join(short)
        )
