"""A campaign as its author writes it: what does not fit together is told with its place."""

from typing import Any

import pytest
from pydantic import ValidationError

from labwright.model.names import protocol_collisions
from labwright.model.protocol import NumberParameter, NumberResult, ProtocolSpec, StepSpec
from labwright.model.references import CrossReferenceError
from labwright.model.spec import CampaignSpec

SPEC: dict[str, Any] = {
    "name": "c",
    "title": "C",
    "protocol": "p",
    "space": {
        "parameters": [
            {"type": "real", "name": "x", "unit": "1", "low": -1, "high": 2},
            {"type": "categorical", "name": "gas", "levels": ["N2", "Ar"]},
        ]
    },
    "objective": {"name": "y", "goal": "max", "unit": "%"},
    "planner": {"name": "random"},
    "budget": 2,
}


def test_a_spec_of_before_can_still_be_read() -> None:
    spec = CampaignSpec.model_validate(SPEC)
    assert (spec.more_objectives, spec.outcome_limits, spec.cost, spec.fidelity, spec.warm_start) == (
        (), (), None, None, (),
    )  # fmt: skip
    assert CampaignSpec.model_validate_json(spec.model_dump_json()) == spec
    assert spec.outcomes == {"y": "%"}
    assert not spec.stop.advised


@pytest.mark.parametrize(
    ("changes", "where", "says"),
    [
        ({"more_objectives": [{"name": "y", "goal": "min", "unit": "%"}]}, "more_objectives.0.name", "already"),
        (
            {"outcome_limits": [{"name": "z", "unit": "1", "low": 0}, {"name": "z", "unit": "1", "high": 1}]},
            "outcome_limits.1.name",
            "has a limit already",
        ),
        ({"cost": {"unit": "min", "base": 1, "per": {"xx": 1}}}, "cost.per.xx", "did you mean 'x'?"),
        ({"cost": {"unit": "min", "base": 5, "levels": {"gas": {"He": 1}}}}, "cost.levels.gas.He", "known: Ar, N2"),
        ({"cost": {"unit": "min", "base": 5, "levels": {"x": {"He": 1}}}}, "cost.levels.x", "no categorical"),
        ({"cost": {"unit": "min", "base": 1, "per": {"x": -1}}}, "cost", "could cost -1 min"),
        ({"fidelity": {"parameter": "gas", "target": 1}}, "fidelity.parameter", "no numeric parameter"),
        ({"fidelity": {"parameter": "x", "target": 3}}, "fidelity.target", "x = 3"),
        ({"stop": {"cost": 10}}, "stop.cost", "has no cost"),
        ({"warm_start": ["a", "a"]}, "warm_start.1", "is there twice"),
        ({"fixed": {"x": 1.0}}, "fixed.x", "fix it or search it"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(changes: dict[str, Any], where: str, says: str) -> None:
    with pytest.raises(ValidationError) as told:
        CampaignSpec.model_validate({**SPEC, **changes})
    error = told.value.errors()[0]["ctx"]["error"]
    assert isinstance(error, CrossReferenceError)
    assert [".".join(place) for place, _ in error.problems] == [where]
    assert says in error.problems[0][1]


def test_names_that_collide_are_told_of_a_file_and_still_read_from_a_journal() -> None:
    spec = CampaignSpec.model_validate(
        {
            **SPEC,
            "objective": {"name": "x_sem", "goal": "max", "unit": "%"},
            "more_objectives": [{"name": "x", "goal": "max", "unit": "%"}],
            "outcome_limits": [{"name": "Status", "unit": "1", "low": 0}],
        }
    )
    assert CampaignSpec.model_validate_json(spec.model_dump_json()) == spec
    assert [(".".join(where), words.partition(" is also")[0]) for where, words in spec.collisions({})] == [
        ("objective.name", "'x_sem'"),
        ("outcome_limits.0.name", "'Status'"),
        ("space.parameters.0.name", "'x'"),
    ]


@pytest.mark.parametrize(
    ("parameters", "results", "says"),
    [
        (["speed"], ["speed"], ["parameter 'speed' is also the column of the result 'speed'"]),
        (["y_sem"], ["y"], ["parameter 'y_sem' is also the column of the standard error of 'y'"]),
        (["Speed"], ["speed"], ["parameter 'Speed' is also the column of the result 'speed'"]),
        (["trial"], ["status"], ["result 'status' is also", "parameter 'trial' is also"]),
        (["speed"], ["y", "y_sem"], []),
    ],
)
def test_names_of_a_protocol_that_collide(parameters: list[str], results: list[str], says: list[str]) -> None:
    spec = ProtocolSpec(
        name="p",
        version="1",
        title="P",
        parameters=tuple(NumberParameter(name=name, unit="rpm", low=0, high=1) for name in parameters),
        results=tuple(NumberResult(name=name, unit="rpm") for name in results),
        steps=(StepSpec(name="s", station="t", expected_s=1),),
    )
    found = protocol_collisions(spec)
    assert len(found) == len(says)
    assert all(one.startswith(words) for one, words in zip(found, says, strict=True))
