"""A request as the campaign that it becomes, with every mistake in it and its place in the request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from labwright.answers.desk import Finding
from labwright.lab.classes import in_words
from labwright.model.desk import DeskPolicy, Offer
from labwright.model.errors import ConfigError, InfeasibleError, LabwrightError, unknown
from labwright.model.figures import spelled
from labwright.model.parameters import flag_level
from labwright.model.protocol import ProtocolSpec
from labwright.model.protocol_parameters import ProtocolParameter, TextParameter
from labwright.model.results import NumberResult
from labwright.planners.registry import LISTED, PLANNERS
from labwright.service.desk.content import CampaignAsked, Content, Given, Measured
from labwright.stations import LabProtocol

SPACE_KEYS = ("parameters", "constraints")
"""Of a space in a request; candidates come from a file in the lab, which no request names."""

ASKED_PLANNERS = tuple(name for name in PLANNERS if name != LISTED)


def points_of(content: Content, protocol: LabProtocol, found: list[Finding]) -> list[dict[str, Any]]:
    """The experiments that a request lists, as the protocol gets them; those with mistakes are left out.

    Args:
        content: of the request.
        protocol: to be carried out.
        found: collects the mistakes.
    """
    points = []
    for where, given in content.listed:
        before = len(found)
        values = _values(given, where, protocol.spec, found, whole=True)
        if len(found) == before:
            found += _unmakeable(protocol, values, where)
        if len(found) == before:
            points.append(values)
    return points


def listed_spec(
    content: Content, protocol: LabProtocol, points: Sequence[Mapping[str, Any]], found: list[Finding]
) -> dict[str, Any]:
    """The parts of a campaign that makes listed experiments; empty with mistakes.

    Args:
        content: of the request.
        protocol: to be carried out.
        points: the experiments, as `points_of` gives them.
        found: collects the mistakes.
    """
    spec = protocol.spec
    searched = [one for one in spec.parameters if not isinstance(one, TextParameter)]
    fixed: dict[str, Any] = {}
    for one in spec.parameters:
        if not isinstance(one, TextParameter):
            continue
        texts = list(dict.fromkeys(point[one.name] for point in points))
        if len(texts) > 1:
            words = f"{one.name} is a text, which is the same for all experiments of a request; ask for them separately"
            found.append(Finding(pointer="/runs", code="text_varies", detail=words))
        fixed[one.name] = texts[0]
    objective = next((one for one in spec.results if isinstance(one, NumberResult)), None)
    if objective is None or not searched:
        words = f"protocol {spec.name} declares no number that it finds, or nothing to choose; it cannot be requested"
        found.append(Finding(pointer="/protocol", code="protocol", detail=words))
        return {}
    return {
        "space": {"parameters": [one.span.model_dump(mode="json", exclude_none=True) for one in searched]},
        "objective": {"name": objective.name, "goal": "max", "unit": objective.unit},
        "fixed": fixed,
        "planner": {
            "name": LISTED,
            "options": {
                "points": [{one.name: flag_level(point[one.name]) for one in searched} for point in points],
            },
        },
        "budget": len(points),
    }


def searched_spec(asked: CampaignAsked, spec: ProtocolSpec, found: list[Finding]) -> dict[str, Any]:
    """The parts of a campaign in which a planner chooses.

    Args:
        asked: of the request.
        spec: of the protocol.
        found: collects the mistakes.
    """
    known = asked.planner.name in ASKED_PLANNERS
    for key in asked.space:
        if key not in SPACE_KEYS:
            words = f"{unknown('key of a space', key, SPACE_KEYS)}; candidates from a file cannot be asked for"
            found.append(Finding(pointer=f"/campaign/space/{key}", code="not_allowed", detail=words))
    if not known:
        words = unknown("planner", asked.planner.name, ASKED_PLANNERS)
        found.append(Finding(pointer="/campaign/planner/name", code="planner", detail=words))
    planner = {"name": asked.planner.name, "options": dict(asked.planner.options)} if known else {"name": "gp"}
    fixed = _values(asked.fixed, "/campaign/fixed", spec, found, whole=False)
    return {
        "space": {key: value for key, value in asked.space.items() if key in SPACE_KEYS},
        "objective": asked.objective,
        "more_objectives": asked.more_objectives,
        "outcome_limits": asked.outcome_limits,
        "fixed": fixed,
        "planner": planner,
        "budget": asked.budget,
        "replicates": asked.replicates,
        "stop": asked.stop,
    }


def whole_spec(content: Content, parts: Mapping[str, Any], offer: Offer, policy: DeskPolicy) -> dict[str, Any]:
    """A campaign as its file would have it."""
    return {
        "name": "request",
        "title": content.title,
        "protocol": content.protocol.name,
        "prepare": list(offer.prepare),
        "parallel": min(policy.parallel, int(parts["budget"])),
        "priority": policy.priorities.get(content.priority, 0),
        "project": content.project,
        **parts,
    }


def place_in_request(pointer: str, content: Content) -> str:
    """Where in a request is what was found wrong in its campaign."""
    first = pointer.split("/")[1] if pointer else ""
    if content.campaign is not None and first in type(content.campaign).model_fields:
        return f"/campaign{pointer}"
    if first == "protocol":
        return "/protocol/name"
    return {"title": "/title", "project": "/project", "priority": "/priority"}.get(first, "")


def _values(
    given: Mapping[str, Given], where: str, spec: ProtocolSpec, found: list[Finding], *, whole: bool
) -> dict[str, Any]:
    known = {one.name: one for one in spec.parameters}
    values: dict[str, Any] = {}
    for name, one in given.items():
        here = f"{where}/{name}"
        if name not in known:
            words = unknown("parameter", name, list(known))
            found.append(Finding(pointer=here, code="unknown_parameter", detail=words))
            continue
        wrong, value = _value(known[name], one)
        if wrong:
            found.append(Finding(pointer=here, code="unit", detail=wrong))
            continue
        violations = known[name].violations(value)
        found += [Finding(pointer=here, code="value", detail=words) for words in violations]
        values[name] = value
    if whole:
        found += [
            Finding(pointer=f"{where}/{name}", code="missing_parameter", detail=f"{name} is missing ({one.allowed})")
            for name, one in known.items()
            if name not in given
        ]
    return values


def _value(parameter: ProtocolParameter, given: Given) -> tuple[str, Any]:
    """What is wrong with the unit of a value, in words, and the value as the protocol declares it."""
    unit = getattr(parameter, "unit", None)
    if not isinstance(given, Measured):
        bare = isinstance(given, int | float) and not isinstance(given, bool)
        if bare and unit not in (None, "1"):
            return f'{parameter.name} needs its unit: {{"value": {given}, "unit": "{unit}"}}', None
        return "", _whole(parameter, given)
    if unit is None:
        return f"{parameter.name} has no unit; give {parameter.allowed}", None
    if given.unit != unit:
        return f"{parameter.name} is given in {given.unit!r} and is wanted in {unit!r}; convert it", None
    return "", _whole(parameter, given.value)


def _whole(parameter: ProtocolParameter, value: Any) -> Any:
    """JSON's 3.0 is a whole number where one is wanted."""
    wanted = parameter.type == "integer" and isinstance(value, float) and value.is_integer()
    return int(value) if wanted else value


def _unmakeable(protocol: LabProtocol, values: Mapping[str, Any], where: str) -> Iterator[Finding]:
    """Why the protocol cannot make an experiment."""
    try:
        with in_words(ConfigError, "the protocol's check fails"):
            protocol.check_made(protocol.spec.given(values))
    except InfeasibleError as error:
        near = ", ".join(f"{name} {spelled(value, 6)}" for name, value in error.nearest.items())
        yield Finding(pointer=where, code="infeasible", detail=f"{error} Nearest that can be made: {near}")
    except LabwrightError as error:
        yield Finding(pointer=where, code="refused", detail=str(error))
