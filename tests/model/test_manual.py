"""What a person does in a step, as data: texts that can be filled in, readings that have results, what is typed in."""

from __future__ import annotations

import math
import re
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from labwright.model.manual import Manual, mismatched_readings, read_in
from labwright.model.protocol import (
    ChoiceParameter,
    ChoiceResult,
    FlagParameter,
    FlagResult,
    IntegerParameter,
    IntegerResult,
    NumberParameter,
    NumberResult,
    OrdinalParameter,
    ProtocolResult,
    ProtocolSpec,
    StepSpec,
    TextParameter,
)

TORQUE = NumberParameter(name="torque", unit="N.m", low=0.5, high=2.0)
RIM = ChoiceParameter(name="rim", levels=("even", "wavy"))
BUBBLES = IntegerParameter(name="bubbles", low=0, high=9)
SHIM = OrdinalParameter(name="shim", unit="mm", values=(0.1, 0.2))
LEAKS = FlagParameter(name="leaks")
REMARK = TextParameter(name="remark", max_length=10)
ALL = Manual(task="Crimp {sample}.", readings=(TORQUE, RIM, BUBBLES, SHIM, LEAKS, REMARK))
GOOD = {"torque": 1, "rim": "even", "bubbles": 3, "shim": 0.2, "leaks": False, "remark": "fine"}
RESULTS: tuple[ProtocolResult, ...] = (
    NumberResult(name="torque", unit="N.m"),
    ChoiceResult(name="rim", levels=("even", "wavy", "torn")),
    IntegerResult(name="bubbles"),
    NumberResult(name="shim", unit="mm"),
    FlagResult(name="leaks"),
)
PARAMETERS = (
    NumberParameter(name="celsius", unit="degC", low=0, high=90),
    ChoiceParameter(name="lid", levels=("a", "b")),
)


def protocol(manual: Manual, **more: Any) -> ProtocolSpec:
    step = StepSpec(name="crimp", station="bench", expected_s=60, manual=manual, **more)
    return ProtocolSpec(name="p", version="1", title="P", parameters=PARAMETERS, results=RESULTS, steps=(step,))


def test_what_fits_is_taken_and_comes_back_from_its_json() -> None:
    made = protocol(ALL)
    assert ProtocolSpec.model_validate_json(made.model_dump_json()) == made
    assert not ALL.wrong(GOOD)
    taken = ALL.taken(GOOD)
    assert taken == GOOD
    assert isinstance(taken["torque"], float)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"torque": 2.1}, "torque = 2.1 N.m is outside 0.5 to 2 N.m"),
        ({"torque": math.nan}, "torque = nan is not a finite number"),
        ({"torque": -math.inf}, "torque = -inf is not a finite number"),
        ({"torque": True}, "torque = True is not a finite number"),
        ({"torque": None}, r"torque = 'None' is no value \(0.5 to 2 N.m\)"),
        ({"torque": [1.0]}, "torque = .* is no value"),
        ({"torque": 10**400}, "torque = .* is no value"),
        ({"rim": "torn"}, "rim: no level 'torn'"),
        ({"bubbles": 1.5}, "bubbles = 1.5"),
        ({"shim": 0.3}, "shim = 0.3"),
        ({"leaks": "perhaps"}, "leaks = 'perhaps' is not true or false"),
        ({"remark": "far too long a text"}, "remark has 19 characters, 10 are allowed"),
        ({"torc": 1.0}, "no reading 'torc'; did you mean 'torque'"),
    ],
)
def test_a_reading_that_is_not_allowed_is_named_with_its_limit(change: dict[str, Any], why: str) -> None:
    (words,) = ALL.wrong({**GOOD, **change})
    assert re.search(why, words), words


def test_each_reading_that_is_missing_is_named() -> None:
    assert ALL.wrong({}) == [f"{one.name} is missing ({one.allowed})" for one in ALL.readings]


@pytest.mark.parametrize(
    ("typed", "read", "wrong"),
    [
        ({"torque": "1.2"}, {"torque": 1.2}, []),
        ({"torque": " 1.2  N.m "}, {"torque": 1.2}, []),
        ({"torque": "1e0"}, {"torque": 1}, []),
        ({"torque": "1.2 lb"}, {"torque": 1.2}, ["torque = '1.2 lb' is in 'lb', and is read in 'N.m' (0.5 to 2 N.m)"]),
        ({"torque": "inf"}, {"torque": "inf"}, ["torque: 'inf' is not a number; it must be finite (0.5 to 2 N.m)"]),
        ({"bubbles": "3"}, {"bubbles": 3}, []),
        ({"leaks": "true", "remark": "1.2"}, {"leaks": True, "remark": "1.2"}, []),
        ({"leaks": False, "torque": 1.5}, {"leaks": False, "torque": 1.5}, []),
        ({"torc": "1"}, {"torc": "1"}, []),
    ],
)  # fmt: skip
def test_what_is_typed_becomes_a_value_of_its_type(
    typed: dict[str, Any], read: dict[str, Any], wrong: list[str]
) -> None:
    assert read_in(ALL.readings, typed) == (read, wrong)


NAMES = st.sampled_from([one.name for one in ALL.readings])
TYPED = st.text(max_size=30) | st.floats() | st.integers() | st.booleans()


@given(st.dictionaries(NAMES, TYPED))
def test_nothing_that_is_typed_is_taken_for_what_it_is_not(typed: dict[str, Any]) -> None:
    read, wrong = read_in(ALL.readings, typed)
    if not wrong and not ALL.wrong(read):
        assert set(read) == {one.name for one in ALL.readings}
        assert 0.5 <= ALL.taken(read)["torque"] <= 2
        assert ALL.taken(read)["leaks"] in (True, False)


@pytest.mark.parametrize(
    ("task", "why"),
    [
        ("Heat to {celcius} degC", "task: no parameter 'celcius'; did you mean 'celsius'"),
        ("Heat to {} degC", "task: no parameter ''"),
        ("Heat {sample.__class__}", "task: no parameter 'sample.__class__'"),
        ("Heat {celsius:d}", "task: Unknown format code 'd'"),
        ("Put on lid {lid:g}", "task: Unknown format code 'g'"),
        ("Heat {celsius", "task: expected '}' before end of string; write {name}"),
    ],
)
def test_a_task_that_cannot_be_filled_in_is_refused_when_it_is_written(task: str, why: str) -> None:
    (words, *_) = mismatched_readings(Manual(task=task), PARAMETERS, RESULTS)
    assert words.startswith(why)
    with pytest.raises(ValidationError, match="step crimp: task: "):
        protocol(Manual(task=task))


def test_a_task_names_its_sample_and_parameters() -> None:
    manual = Manual(task="Put lid {lid} on {sample} at {position} ({container}), {celsius:.1f} degC; {{not this}}")
    assert not list(mismatched_readings(manual, PARAMETERS, RESULTS))
    text = manual.text({"sample": "s-1", "container": "vial", "position": "bench_1"}, {"lid": "a", "celsius": 21})
    assert text == "Put lid a on s-1 at bench_1 (vial), 21.0 degC; {not this}"


@pytest.mark.parametrize(
    ("reading", "why"),
    [
        (NumberParameter(name="torq", unit="N.m", low=0, high=1), "reading torq has no result: no result 'torq'; did"),
        (NumberParameter(name="torque", unit="lb", low=0, high=1), "it is in 'N.m', the reading in 'lb'"),
        (IntegerParameter(name="rim", low=0, high=1), "it is of type choice, and what is read of type integer"),
        (ChoiceParameter(name="rim", levels=("even", "odd")), "it has no level odd"),
    ],
)
def test_a_reading_that_no_result_can_have_is_refused(reading: Any, why: str) -> None:
    (words,) = mismatched_readings(Manual(task="Look.", readings=(reading,)), PARAMETERS, RESULTS)
    assert why in words


def test_a_reading_is_called_like_no_parameter() -> None:
    reading = NumberParameter(name="celsius", unit="degC", low=0, high=1)
    (words, _) = mismatched_readings(Manual(task="Look.", readings=(reading,)), PARAMETERS, RESULTS)
    assert words == "reading celsius: the protocol has a parameter of that name; rename one"


@pytest.mark.parametrize(
    ("more", "why"),
    [({"retries": 1}, "step crimp: retries: "), ({"timeout_s": 60}, "step crimp: timeout_s: its card waits")],
)
def test_what_means_nothing_for_a_person_is_refused(more: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        protocol(ALL, **more)


@pytest.mark.parametrize("names", [("torque", "torque"), ("signed_by",)])
def test_readings_have_names_of_their_own(names: tuple[str, ...]) -> None:
    readings = tuple(NumberParameter(name=name, unit="1", low=0, high=1) for name in names)
    with pytest.raises(ValidationError, match=r"readings named twice|the signature has that name"):
        Manual(task="Look.", readings=readings)


@given(st.integers())
def test_what_a_simulated_person_reads_is_allowed_and_the_same_again(seed: int) -> None:
    drawn = ALL.drawn(Random(seed))  # noqa: S311 - the same again
    assert not ALL.wrong(drawn)
    assert drawn == ALL.drawn(Random(seed))  # noqa: S311
