"""A campaign read from its file, and held against the lab before anything moves."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from labwright.engine.earlier import earlier_campaigns
from labwright.engine.events import Started
from labwright.engine.hours import never_in_time
from labwright.engine.inventory import DeckCount
from labwright.engine.layout import layout_of, never_fits
from labwright.engine.matching import described, protocol_mistakes
from labwright.engine.split_plot import batch_mistakes, with_batch_size
from labwright.engine.sufficing import check_candidates, check_material
from labwright.journal import Journal
from labwright.journal.schema import KEY_LENGTH
from labwright.lab import GivenData, LabFolder, Mistake, MistakesError, YamlFile, examine
from labwright.lab.classes import enter, resolve
from labwright.lab.folder import CONFIG
from labwright.lab.pool import read_pool
from labwright.model.by_hand import BY_HAND
from labwright.model.campaign import CampaignState, Earlier
from labwright.model.errors import ConfigError, PlannerError, RefusedError, unknown
from labwright.model.protocol import ProtocolSpec
from labwright.model.references import Broken
from labwright.model.space import Params, Space
from labwright.model.spec import CampaignSpec
from labwright.model.words import what_is_wrong
from labwright.planners import Planner, load_planner
from labwright.planners.protocol import needs
from labwright.planners.registry import lacking
from labwright.stations import LabProtocol
from labwright.stations.by_hand import ByHandProtocol
from labwright.stations.catalogue import check_declared, classes_in, make_protocol

CAMPAIGN_TAIL = "-20260101-120000-abcd"
"""What a campaign's id has after its name."""

EXPERIMENT_LABEL = "00000"
"""The longest label of an experiment."""

LAST_ROUND = "~100"
"""What a step's key has at its end in the last round of a loop."""


@dataclass(frozen=True)
class Campaign:
    """A campaign that fits its lab.

    Attributes:
        spec: as written.
        protocols: the protocol and its preparations, by name.
        planner: who chooses.
        earlier: campaigns it learns from; None if the journal was not looked into yet.
    """

    spec: CampaignSpec
    protocols: dict[str, LabProtocol]
    planner: Planner
    earlier: tuple[Earlier, ...] | None = None

    def learning(self, earlier: tuple[Earlier, ...]) -> Campaign:
        """The same, with the campaigns it learns from."""
        return replace(self, earlier=earlier)

    def given(self, params: Params) -> dict[str, Any]:
        """The parameters of an experiment as the protocol gets them, the fixed ones included."""
        return self.protocols[self.spec.protocol].spec.given({**params, **self.spec.fixed})

    @property
    def container(self) -> str:
        """The kind of container that each of its samples needs; empty if none."""
        return self.protocols[self.spec.protocol].labware

    @property
    def protocol_specs(self) -> list[ProtocolSpec]:
        """The protocol and its preparations as data."""
        return [one.spec for one in self.protocols.values()]


def campaign_files(root: Path) -> dict[str, Path]:
    """The campaigns in a lab's folder by name."""
    return {path.stem: path for path in sorted((root / CONFIG / "campaigns").glob("*.yaml"))}


def campaign_file(root: Path, path: Path) -> YamlFile:
    """A campaign's file, named in messages as seen from the lab's folder.

    Raises:
        MistakesError: it cannot be read, or is no YAML.
    """
    return YamlFile(path, path.relative_to(root) if path.is_relative_to(root) else path)


def load_campaign(
    folder: LabFolder,
    path: Path | YamlFile,
    *,
    budget: int | None = None,
    seed: int | None = None,
    planner: str | None = None,
    parallel: int | None = None,
    journal: Journal | None = None,
    any_planner: bool = False,
    simulated: bool = False,
    count: DeckCount | None = None,
    sufficient: bool = True,
    now_s: float | None = None,
) -> Campaign:
    """Read the campaign at `path` and check that the lab can carry it out.

    Args:
        folder: the lab.
        path: the campaign's file; or what it says, if it came otherwise.
        budget: a number of experiments, instead of the one in the file.
        seed: another seed.
        planner: another planner, by name, with its default options.
        parallel: another number of samples on their way at once.
        journal: where earlier campaigns are looked up (`warm_start`); without, that is done when the campaign starts.
        simulated: whether it is to run on simulated instruments: it learns from campaigns on such only (`warm_start`).
        count: what its deck has left; as the lab's files say if None.
        sufficient: whether its material must last for it.
        now_s: lab time at which it starts, so that its deadline must be later; not looked at if None.
        any_planner: whether the planner need not take account of all that the campaign asks for.

    Raises:
        MistakesError: every mistake in the file, with line and column.
        ConfigError: the planner asked for does not do; by its files the lab has too few containers, or too little of a
            stock.
        RefusedError: its deck has not enough of them left.
    """
    file = path if isinstance(path, YamlFile) else campaign_file(folder.root, path)
    reading = examine(CampaignSpec, [file])
    spec, mistakes = reading.built, list(reading.mistakes)
    if "space" not in reading.broken and spec.space.pool is not None:
        spec = _with_pool(folder.root, file, spec, mistakes)
    chosen_by_name = {"name": planner} if planner else None
    changes = {"budget": budget, "seed": seed, "planner": chosen_by_name, "parallel": parallel}
    given = {key: value for key, value in changes.items() if value is not None}
    if given and not mistakes:
        try:
            spec = CampaignSpec.model_validate({**spec.model_dump(), **given})
        except ValidationError as error:
            raise ConfigError(
                f"campaign {spec.name}: what was asked for instead of the file's does not fit: {what_is_wrong(error)}"
            ) from error
    if isinstance(path, Path) and "name" not in reading.broken and spec.name != path.stem:
        if path.resolve() == campaign_files(folder.root).get(path.stem):
            words = f"name: a campaign in the lab is called like its file, {path.stem!r}, not {spec.name!r}"
            mistakes.append(file.mistake(["name"], words))
    if "name" not in reading.broken and spec.name == BY_HAND:
        words = f"name: {BY_HAND!r} is what operations by hand are called (labwright station set); take another name"
        mistakes.append(file.mistake(["name"], words))
    if now_s is not None and "deadline" not in reading.broken and (words := deadline_passed(spec, now_s)):
        mistakes.append(file.mistake(["deadline"], f"deadline: {words}"))
    protocols = _protocols(folder, file, spec, mistakes, reading.broken)
    if spec.protocol in protocols:
        mistakes += protocol_mistakes(file, spec, protocols[spec.protocol], reading.broken)
        layout = layout_of(folder.model)
        start_s = time.time() if now_s is None else now_s
        for name, one in protocols.items():
            if words := never_fits(one.spec, layout, start_s) or never_in_time(one.spec, layout, start_s):
                where: list[str | int] = (
                    ["protocol"] if name == spec.protocol else ["prepare", spec.prepare.index(name)]
                )
                mistakes.append(file.mistake(where, f"{'.'.join(map(str, where))}: {words}"))
        if not {"batch", "space"} & reading.broken.keys():
            mistakes += batch_mistakes(file, spec, protocols[spec.protocol], layout)
        if not mistakes:
            spec = with_batch_size(spec, protocols[spec.protocol], layout)
            spec = described(spec, protocols[spec.protocol].parameters)
    chosen = load_planner(spec.planner) if planner else _planner(file, spec, mistakes, reading.broken)
    if chosen is not None and not any_planner and (short := _lacking(chosen, spec, reading.broken)):
        if planner:
            raise ConfigError(f"campaign {spec.name}: {short}")
        mistakes.append(file.mistake(["planner"], f"planner: {short}"))
    earlier = None
    if journal is not None and not mistakes:
        earlier, problems = earlier_campaigns(journal, spec, simulated=simulated)
        mistakes += [
            file.mistake(["warm_start", index], f"warm_start.{index}: {words}") for index, words in problems.items()
        ]
    if mistakes or chosen is None:
        raise MistakesError(mistakes)
    if not sufficient:
        check_candidates(spec)
        return Campaign(spec, protocols, chosen, earlier)
    return _fitting(folder, spec, protocols, chosen, earlier, count)


def deadline_passed(spec: CampaignSpec, now_s: float) -> str:
    """What is wrong with a deadline that has passed at a lab time, in words; empty if none has."""
    if spec.deadline is None or spec.deadline.timestamp() > now_s:
        return ""
    now = datetime.fromtimestamp(now_s, spec.deadline.tzinfo)
    return (
        f"{spec.deadline.isoformat(timespec='minutes')} has passed: in the lab it is "
        f"{now.isoformat(timespec='minutes')}; give a later one, or none"
    )


def campaign_of(folder: LabFolder, spec: CampaignSpec, count: DeckCount | None = None) -> Campaign:
    """A campaign from its spec, which was read and checked where its file is.

    Args:
        folder: the lab.
        spec: what is to be carried out.
        count: what its deck has left; as the lab's files say if None.

    Raises:
        ConfigError: the lab cannot carry it out.
        RefusedError: its deck has too little left.
    """
    protocols = {name: make_protocol(folder, name) for name in (spec.protocol, *spec.prepare)}
    for protocol in protocols.values():
        check_declared(protocol, folder.root)
    chosen = load_planner(spec.planner)
    if short := _lacking(chosen, spec, {}):
        raise ConfigError(f"campaign {spec.name}: {short}")
    return _fitting(folder, spec, protocols, chosen, None, count)


def _fitting(
    folder: LabFolder,
    spec: CampaignSpec,
    protocols: dict[str, LabProtocol],
    planner: Planner,
    earlier: tuple[Earlier, ...] | None,
    count: DeckCount | None,
) -> Campaign:
    """The campaign, if the lab has what it needs.

    Raises:
        ConfigError: samples could meet, the pool is too small, containers or stocks lack, a key would be too long.
    """
    if spec.parallel > 1 and protocols[spec.protocol].labware:
        _check_moves(protocols[spec.protocol])
    check_candidates(spec)
    check_material(folder, spec, protocols, count)
    _check_keys(spec, protocols)
    return Campaign(spec, protocols, planner, earlier)


def resume_campaign(folder: LabFolder, started: Started, *, changed: bool = False) -> Campaign:
    """The campaign as it was started, to resume it.

    Args:
        folder: the lab as it is now.
        started: the campaign's first event.
        changed: the operator has checked what changed in the lab since, and confirms that it does no harm.

    Raises:
        RefusedError: the lab's files have changed since, and the operator has not confirmed that it does no harm.
        ConfigError: a protocol is gone, or has other steps than before.
    """
    if started.lab_sha256 not in (folder.sha256, *folder.earlier_sha256) and not changed:
        raise RefusedError(
            f"the files of lab {folder.model.name} have changed since {started.campaign} was started (sha256 "
            f"{started.lab_sha256[:12]}, now {folder.sha256[:12]}); what was half done may not fit any more. Put them "
            "back, or confirm with --lab-changed that the change does no harm"
        )
    protocols = {}
    for spec in started.protocols:
        made = ByHandProtocol(folder.model, spec.by_hand) if spec.by_hand else make_protocol(folder, spec.name)
        protocols[spec.name] = made
        if not made.spec.same_work(spec):
            raise ConfigError(
                f"protocol {spec.name} has other parameters, results or steps than when {started.campaign} was "
                "started; put it back as it was, or start a new campaign"
            )
    return Campaign(started.spec, protocols, load_planner(started.spec.planner), started.earlier)


def mistakes_without_lab(root: Path, path: Path) -> list[Mistake]:
    """What is wrong with a campaign as far as it shows while its lab's own files are wrong.

    That is its form, its candidates, and names, units and bounds held against the protocol's class.
    """
    try:
        file = campaign_file(root, path)
    except MistakesError as error:
        return list(error.mistakes)
    reading = examine(CampaignSpec, [file])
    spec, mistakes = reading.built, list(reading.mistakes)
    if "space" not in reading.broken and spec.space.pool is not None:
        spec = _with_pool(root, file, spec, mistakes)
    if "protocol" in reading.broken:
        return mistakes
    try:
        enter(root)
        classes = classes_in(root)
        if spec.protocol not in classes:
            raise ConfigError(unknown("protocol", spec.protocol, list(classes)))
        protocol = resolve(classes[spec.protocol])
    except ConfigError as error:
        return [*mistakes, file.mistake(["protocol"], f"protocol: {error}")]
    return [*mistakes, *protocol_mistakes(file, spec, protocol, reading.broken)]


def _with_pool(root: Path, file: YamlFile, spec: CampaignSpec, mistakes: list[Mistake]) -> CampaignSpec:
    """The campaign with its candidates read; without them where they are wrong, and the mistakes added."""
    pool = spec.space.pool
    assert pool is not None  # noqa: S101 - asked for by its only caller
    if pool.rows or pool.ids:
        words = f"space.pool: the candidates are read from {pool.file}; leave out rows and ids"
        mistakes.append(file.mistake(["space", "pool"], words))
        return spec
    if isinstance(file, GivenData) and not (root / pool.file).resolve().is_relative_to(root.resolve()):
        words = f"space.pool.file: {pool.file} lies outside the lab's folder, and only what is in it is read for others"
        mistakes.append(file.mistake(["space", "pool", "file"], words))
        return spec
    try:
        read = read_pool(root, spec.space)
    except MistakesError as error:
        mistakes += error.mistakes
        return spec
    except ConfigError as error:
        mistakes.append(file.mistake(["space", "pool", "file"], f"space.pool.file: {error}"))
        return spec
    # Built again, since a space checks its rows against its parameters; the good rest of the file stays.
    space = Space(parameters=spec.space.parameters, constraints=spec.space.constraints, pool=read)
    return spec.model_copy(update={"space": space})


def _protocols(
    folder: LabFolder, file: YamlFile, spec: CampaignSpec, mistakes: list[Mistake], broken: Broken
) -> dict[str, LabProtocol]:
    made: dict[str, LabProtocol] = {}
    places = [] if "protocol" in broken else [(spec.protocol, ["protocol"])]
    if "prepare" not in broken:
        places += [(name, ["prepare", str(i)]) for i, name in enumerate(spec.prepare)]
    for name, where in places:
        try:
            made[name] = make_protocol(folder, name)
            check_declared(made[name], folder.root)
        except ConfigError as error:
            mistakes.append(file.mistake(where, f"{'.'.join(where)}: {error}"))
    return made


def _planner(file: YamlFile, spec: CampaignSpec, mistakes: list[Mistake], broken: Broken) -> Planner | None:
    if "planner" in broken:
        return None
    try:
        return load_planner(spec.planner)
    except (ConfigError, PlannerError) as error:  # no such planner, or its library is not installed
        mistakes.append(file.mistake(["planner"], str(error)))
        return None


def _lacking(planner: Planner, spec: CampaignSpec, broken: Broken) -> str:
    """Why the planner does not do for the campaign; empty if it does, as far as the file can be understood."""
    state = CampaignState.model_construct(  # what is broken is no part of the question
        space=spec.space,
        objective=spec.objective,
        seed=0,
        planner=spec.planner,
        more_objectives=() if "more_objectives" in broken else spec.more_objectives,
        outcome_limits=() if "outcome_limits" in broken else spec.outcome_limits,
        cost=spec.cost,
        fidelity=spec.fidelity,
        held=dict.fromkeys(spec.batch.same, 0) if spec.batch is not None and "batch" not in broken else {},
        earlier=() if "warm_start" in broken or not spec.warm_start else (Earlier(name="any", trials=()),),
    )
    return lacking(planner, needs(state))


def _check_moves(protocol: LabProtocol) -> None:
    """Refuse several samples at once where their locations are not known.

    Raises:
        ConfigError: no step states where it brings the sample.
    """
    if not (protocol.spec.brought or any(step.moves_to for step in protocol.steps)):
        raise ConfigError(
            f"parallel: protocol {protocol.name} does not state where its samples are, so two could meet; name "
            "its labware, so that the lab's transports bring them, or set parallel to 1"
        )


def _check_keys(spec: CampaignSpec, protocols: Mapping[str, LabProtocol]) -> None:
    """Refuse names that together make a step's key longer than the journal holds."""
    for name, protocol in protocols.items():
        label = max(EXPERIMENT_LABEL, name if name in spec.prepare else "", key=len)
        for step in protocol.steps:
            most = len(f"{spec.name}{CAMPAIGN_TAIL}/{label}/{step.name}{LAST_ROUND}")
            if most > KEY_LENGTH:
                raise ConfigError(
                    f"campaign {spec.name}: its name, protocol {name} and step {step.name} make a key of {most} "
                    f"characters, the journal holds {KEY_LENGTH}; shorten one of them by {most - KEY_LENGTH}"
                )
