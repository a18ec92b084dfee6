"""Does a campaign's file match its protocol: each parameter and outcome known, in its unit, inside its bounds?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from labwright.lab import Mistake, YamlFile
from labwright.model.campaign import Objective, OutcomeLimit
from labwright.model.errors import unknown
from labwright.model.protocol import ChoiceParameter, NumberResult, ProtocolParameter, ResultSpec
from labwright.model.references import Broken
from labwright.model.space import Categorical
from labwright.model.spec import CampaignSpec
from labwright.stations import LabProtocol


def protocol_mistakes(
    file: YamlFile, spec: CampaignSpec, protocol: LabProtocol | type[LabProtocol], broken: Broken
) -> Iterator[Mistake]:
    """What is searched and found held against what the protocol takes and gives: names, units, envelope.

    Args:
        file: of the campaign, for line and column.
        spec: as far as it can be understood.
        protocol: or its class, while the lab's own files are wrong.
        broken: sections of the file that are wrong themselves; they are left out.
    """
    known = {one.name: one for one in protocol.parameters}
    if "space" not in broken:
        yield from _searched_mistakes(file, spec, protocol.name, known)
    if "fixed" not in broken:
        yield from _fixed_mistakes(file, spec, protocol.name, known)
    if "space" not in broken and "fixed" not in broken:
        for name in known:
            if name not in spec.space.names and name not in spec.fixed:
                words = (
                    f"parameter {name!r} of {protocol.name} is neither searched nor fixed; search it, or give it under "
                    f"fixed ({known[name].allowed})"
                )
                yield file.mistake(["space"], words, at_key=True)
    yield from _outcome_mistakes(file, spec, protocol, broken)


def _searched_mistakes(
    file: YamlFile, spec: CampaignSpec, protocol: str, known: Mapping[str, ProtocolParameter]
) -> Iterator[Mistake]:
    for index, parameter in enumerate(spec.space.parameters):
        where: list[str | int] = ["space", "parameters", index]
        label = f"space.parameters.{index}"
        if parameter.name not in known:
            words = unknown(f"parameter of {protocol}", parameter.name, list(known))
            yield file.mistake([*where, "name"], f"{label}.name: {words}")
            continue
        for key, words in known[parameter.name].oversteps(parameter):
            yield file.mistake([*where, key], f"{label}.{key}: {words}, as {protocol} declares it")


def _fixed_mistakes(
    file: YamlFile, spec: CampaignSpec, protocol: str, known: Mapping[str, ProtocolParameter]
) -> Iterator[Mistake]:
    for name, value in spec.fixed.items():
        if name not in known:
            words = unknown(f"parameter of {protocol}", name, list(known))
            yield file.mistake(["fixed", name], f"fixed.{name}: {words}", at_key=True)
        else:
            for words in known[name].violations(value):
                yield file.mistake(["fixed", name], f"fixed.{name}: {words}, as {protocol} declares it")


def _outcome_mistakes(
    file: YamlFile, spec: CampaignSpec, protocol: LabProtocol | type[LabProtocol], broken: Broken
) -> Iterator[Mistake]:
    results = {one.name: one for one in protocol.results}
    wanted: list[tuple[list[str | int], Objective | OutcomeLimit]] = []
    if "objective" not in broken:
        wanted.append((["objective"], spec.objective))
    if "more_objectives" not in broken:
        wanted += [(["more_objectives", index], one) for index, one in enumerate(spec.more_objectives)]
    if "outcome_limits" not in broken:
        wanted += [(["outcome_limits", index], limit) for index, limit in enumerate(spec.outcome_limits)]
    for where, one in wanted:
        label = ".".join(map(str, where))
        if one.name not in results:
            words = unknown(f"result of {protocol.name}", one.name, list(results))
            yield file.mistake([*where, "name"], f"{label}.name: {words}")
            continue
        result = results[one.name]
        if not isinstance(result, NumberResult | ResultSpec):
            words = (
                f"{one.name} is of type {result.type}; only a number can be an objective or have a limit. Name one of "
                f"{', '.join(_numbers(protocol)) or 'none'}, or declare it as NumberResult"
            )
            yield file.mistake([*where, "name"], f"{label}.name: {words}")
        elif one.unit != result.unit:
            words = f"{one.name} is in {result.unit!r}, not in {one.unit!r}"
            yield file.mistake([*where, "unit"], f"{label}.unit: {words}")


def _numbers(protocol: LabProtocol | type[LabProtocol]) -> list[str]:
    return [one.name for one in protocol.results if isinstance(one, NumberResult | ResultSpec)]


def described(spec: CampaignSpec, parameters: Sequence[ProtocolParameter]) -> CampaignSpec:
    """A campaign with what its protocol declares of the levels of choices, where its file says nothing of its own."""
    choices = {one.name: one for one in parameters if isinstance(one, ChoiceParameter)}
    known = tuple(
        choices[one.name].described(one) if isinstance(one, Categorical) and one.name in choices else one
        for one in spec.space.parameters
    )
    if known == spec.space.parameters:
        return spec
    return spec.model_copy(update={"space": spec.space.model_copy(update={"parameters": known})})
