"""What a protocol takes and finds: each kind of parameter and result, and what is refused in which words."""

from typing import Any

import pytest
from pydantic import ValidationError

from labwright.cli import steering
from labwright.model.campaign import Veto
from labwright.model.errors import ConfigError, OutOfRangeError
from labwright.model.judging import covers
from labwright.model.names import protocol_collisions
from labwright.model.parameters import Categorical, Flag, Integer, Ordinal, Parameter, Real
from labwright.model.protocol import (
    ArrayResult,
    ChoiceParameter,
    ChoiceResult,
    FileResult,
    FlagParameter,
    FlagResult,
    IntegerParameter,
    IntegerResult,
    NumberParameter,
    NumberResult,
    OrdinalParameter,
    ParameterSpec,
    ProtocolSpec,
    ResultSpec,
    StepSpec,
    TextParameter,
    When,
)
from labwright.model.space import Forbidden, Pool, Space

SOLVENTS = {
    "DMC": {"epsilon": 3.1, "eta": 0.59},
    "EMC": {"epsilon": 3.0, "eta": 0.65},
    "PC": {"epsilon": 64.9, "eta": 2.5},
}
PARAMETERS = (
    NumberParameter(name="temperature", unit="degC", low=20, high=90),
    IntegerParameter(name="rinses", low=1, high=5),
    OrdinalParameter(name="minutes", unit="min", values=(10, 30, 60)),
    ChoiceParameter(name="solvent", levels=("DMC", "EMC", "PC"), descriptors=SOLVENTS),
    FlagParameter(name="stir"),
    TextParameter(name="note", max_length=12, pattern="batch [0-9]+"),
)
RESULTS = (
    NumberResult(name="yield_", unit="%", uncertainty="spread"),
    NumberResult(name="reached", unit="degC", measures="temperature"),
    IntegerResult(name="crystals"),
    ChoiceResult(name="phase", levels=("clear", "cloudy")),
    FlagResult(name="boiled"),
    ArrayResult(name="spectrum", unit="1", shape=(None, 2), dims=("wavelength", "channel")),
    FileResult(name="picture", media_type="image/png"),
)
GOOD = {"temperature": 60, "rinses": 2, "minutes": 30, "solvent": "PC", "stir": True, "note": "batch 7"}
FOUND: dict[str, Any] = {
    "yield_": 71.0, "spread": 0.5, "reached": 59.7, "crystals": 12, "phase": "clear", "boiled": False,
    "spectrum": [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]],
    "picture": {"uri": "file:///data/1.png", "sha256": "ab" * 32, "media_type": "image/png"},
}  # fmt: skip


def protocol(**changes: Any) -> ProtocolSpec:
    fields: dict[str, Any] = {"parameters": PARAMETERS, "results": RESULTS, **changes}
    steps = (StepSpec(name="s", station="t", expected_s=1),)
    return ProtocolSpec(name="p", version="1", title="P", steps=steps, **fields)


def test_a_protocol_gets_values_of_the_types_it_declares() -> None:
    spec = protocol()
    spec.check(GOOD)
    given = spec.given(
        {**GOOD, "temperature": 90.00000000001, "minutes": 30.000000000001, "stir": "true", "rinses": 2.0}
    )
    assert given == {**GOOD, "temperature": 90.0, "minutes": 30.0, "stir": True, "rinses": 2}
    assert [type(value) for value in given.values()] == [float, int, float, str, bool, str]
    assert ProtocolSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("temperature", 95, "temperature = 95 degC is outside 20 to 90 degC"),
        ("temperature", "hot", "temperature = 'hot' is not a finite number"),
        ("temperature", True, "temperature = True is not a finite number"),
        ("temperature", float("nan"), "temperature = nan is not a finite number"),
        ("temperature", None, "temperature is missing (20 to 90 degC)"),
        ("rinses", 2.5, "rinses = 2.5 is not a whole number"),
        ("minutes", 20, "minutes = 20 min is none of its values (10, 30, 60 min)"),
        ("solvent", "DCM", "solvent: no level 'DCM'; did you mean 'DMC'?"),
        ("stir", 1, "stir = 1 is not true or false"),
        ("stir", "yes", "stir = 'yes' is not true or false"),
        ("note", 7, "note = 7 is not text; put it in quotes"),
        ("note", "batch 7\n", "has line breaks or control characters"),
        ("note", "batch 1234567", "note has 13 characters, 12 are allowed"),
        ("note", "Batch 7", "note = 'Batch 7' does not match 'batch [0-9]+'"),
    ],
)
def test_what_a_protocol_cannot_take_is_refused(name: str, value: Any, says: str) -> None:
    spec = protocol()
    given = spec.given({**GOOD, name: value}) if value is not None else {**GOOD, name: value}
    with pytest.raises(OutOfRangeError) as caught:
        spec.check(given)
    assert says in str(caught.value)


def test_what_is_not_allowed_is_not_made_so() -> None:
    assert protocol().given({"temperature": 95, "minutes": 20, "rinses": 2.5}) == {
        "temperature": 95, "minutes": 20, "rinses": 2.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("searched", "key", "says"),
    [
        (Real(name="temperature", unit="degC", low=30, high=60), "", ""),
        (Integer(name="temperature", unit="degC", low=30, high=95), "high", "temperature = 95 degC is outside"),
        (Ordinal(name="temperature", unit="degC", values=(10, 40)), "values", "temperature = 10 degC is outside"),
        (Real(name="temperature", unit="K", low=30, high=60), "unit", "temperature is in 'degC', not in 'K'"),
        (Categorical(name="temperature", levels=("a", "b")), "type", "temperature is a number; use type real"),
        (Real(name="rinses", unit="1", low=1, high=5), "type", "searched as real, rinses is a whole number"),
        (Integer(name="rinses", low=1, high=6), "high", "rinses = 6 is outside 1 to 5"),
        (Ordinal(name="rinses", unit="1", values=(1, 2.5)), "values", "rinses = 2.5 is not a whole number"),
        (Ordinal(name="rinses", unit="1", values=(1, 4)), "", ""),
        (Ordinal(name="minutes", unit="min", values=(10, 60)), "", ""),
        (Ordinal(name="minutes", unit="min", values=(10, 20)), "values", "minutes = 20 min is none of its values"),
        (
            Real(name="minutes", unit="min", low=10, high=60),
            "type",
            "minutes is one of 10, 30, 60 min; use type ordinal",
        ),
        (Categorical(name="solvent", levels=("DMC", "PC")), "", ""),
        (Categorical(name="solvent", levels=("DMC", "DCM")), "levels", "no level 'DCM'"),
        (Flag(name="solvent"), "type", "searched as flag, solvent is a choice of DMC, EMC, PC; use type categorical"),
        (Flag(name="stir"), "", ""),
        (Categorical(name="stir", levels=("true", "false")), "type", "stir is true or false; use type flag"),
        (Categorical(name="note", levels=("a", "b")), "type", "note is a text, which cannot be searched"),
    ],
)
def test_a_campaign_searches_a_part_of_what_a_protocol_takes(searched: Parameter, key: str, says: str) -> None:
    declared = next(one for one in PARAMETERS if one.name == searched.name)
    found = list(declared.oversteps(searched))
    assert [one for one, _ in found] == ([key] if key else [])
    assert says in "".join(words for _, words in found)


def test_descriptors_of_a_protocol_are_used_for_the_levels_a_campaign_searches_unless_it_says_otherwise() -> None:
    choice = PARAMETERS[3]
    assert isinstance(choice, ChoiceParameter)
    both = Categorical(name="solvent", levels=("DMC", "PC"))
    assert choice.described(both).descriptors == {"DMC": SOLVENTS["DMC"], "PC": SOLVENTS["PC"]}
    none = both.model_copy(update={"descriptors": {}})
    assert choice.described(none) is none
    own = Categorical(name="solvent", levels=("DMC", "PC"), descriptors={"DMC": {"z": 1}, "PC": {"z": 2}})
    assert choice.described(own) is own
    half = ChoiceParameter(
        name="s",
        levels=("a", "b", "c"),
        descriptors={"a": {"y": 1, "z": 1}, "b": {"y": 2, "z": 1}, "c": {"y": 1, "z": 2}},
    )
    assert half.described(Categorical(name="s", levels=("a", "b"))).descriptors == {"a": {"y": 1}, "b": {"y": 2}}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, []),
        ({"yield_": float("inf")}, ["yield_ = inf is no number"]),
        ({"yield_": True}, ["yield_ = True is no number"]),
        ({"spread": None}, []),
        ({"spread": -1.0}, ["spread = -1.0 is no standard error"]),
        ({"crystals": 1.5}, ["crystals = 1.5 is no whole number"]),
        ({"phase": "muddy"}, ["phase: no level 'muddy'; did you mean 'cloudy'? (known: clear, cloudy)"]),
        ({"boiled": 1}, ["boiled = 1 is not true or false"]),
        ({"spectrum": [[1.0], [2.0]]}, ["spectrum has shape 2 x 1, declared is any x 2"]),
        ({"spectrum": [1.0, 2.0]}, ["spectrum has shape 2, declared is any x 2"]),
        ({"spectrum": [[1.0, 2.0], [3.0]]}, ["spectrum is no array of numbers (lists of equal length, at each depth)"]),
        ({"spectrum": []}, ["spectrum is no array of numbers (lists of equal length, at each depth)"]),
        ({"picture": "1.png"}, ["picture = '1.png' is no reference to a file; give uri, sha256 and media_type"]),
        ({"picture": {**FOUND["picture"], "sha256": "ab"}}, ["picture.sha256 = 'ab' is none"]),
        (
            {"picture": {**FOUND["picture"], "media_type": "text/csv"}},
            ["picture is 'text/csv', declared is 'image/png'"],
        ),
    ],
)
def test_what_a_step_finds_is_held_against_its_declaration(changes: dict[str, Any], says: list[str]) -> None:
    assert protocol().wrong_results({**FOUND, **changes}) == says


def test_words_and_hints_of_a_declaration_are_no_other_work() -> None:
    told = [one.model_copy(update={"description": "as ever"}) for one in PARAMETERS]
    assert protocol().same_work(protocol(parameters=tuple(told)))
    choice = ChoiceParameter(name="solvent", levels=("DMC", "EMC", "PC"))
    assert protocol().same_work(protocol(parameters=(*PARAMETERS[:3], choice, *PARAMETERS[4:])))
    fewer = ChoiceParameter(name="solvent", levels=("DMC", "EMC"))
    assert not protocol().same_work(protocol(parameters=(*PARAMETERS[:3], fewer, *PARAMETERS[4:])))


def test_uncertainty_and_what_was_made_are_declared_and_not_recognised_by_name() -> None:
    found = {**FOUND, "yield__sem": 99.0, "measured_params": {"temperature": 1.0}}
    assert protocol().sem(found, "yield_") == 0.5
    assert protocol().sem(found, "crystals") is None
    assert protocol().made(found) == {"temperature": 59.7}
    assert protocol(results=RESULTS[2:]).made(found) is None


def test_a_protocol_of_an_earlier_release_is_read_by_its_names() -> None:
    journalled = {"name": "x", "unit": "1", "low": 0.0, "high": 1.0, "description": ""}
    spec = protocol(parameters=(journalled,), results=({"name": "y", "unit": "%", "description": ""},))
    assert spec == protocol(
        parameters=(ParameterSpec(name="x", unit="1", low=0, high=1),), results=(ResultSpec(name="y", unit="%"),)
    )
    assert isinstance(spec.parameters[0], NumberParameter)
    assert not spec.declares
    found = {"y": 1.0, "y_sem": 0.25, "measured_params": {"x": 0.5}}
    assert (spec.wrong_results(found), spec.sem(found, "y"), spec.made(found)) == ([], 0.25, {"x": 0.5})
    assert spec.wrong_results({"y": 1.0, "y_sem": -1}) == ["y_sem = -1 is no standard error"]
    assert spec.wrong_results({"measured_params": 3.0}) == ["measured_params = 3.0 is no dict of parameters"]
    assert "no parameter 'z'" in spec.wrong_results({"measured_params": {"z": 1.0}})[0]
    shadowed = protocol(parameters=(), results=(ResultSpec(name="measured_params", unit="1"),))
    assert protocol_collisions(shadowed)[0].startswith("result 'measured_params' is also the column of what was really")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"results": (*RESULTS, ResultSpec(name="y", unit="1"))}, "declare all of them, also y"),
        (
            {"results": (*RESULTS, NumberResult(name="spread", unit="%"))},
            "its uncertainty 'spread' is a result as well",
        ),
        ({"results": (NumberResult(name="y", unit="1", measures="stir"),)}, "no numeric parameter 'stir'"),
        ({"results": (NumberResult(name="y", unit="K", measures="temperature"),)}, "y is in 'K', but the parameter"),
        (
            {"results": (*RESULTS, NumberResult(name="again", unit="degC", measures="temperature"))},
            "results reached and again both measure temperature",
        ),
        ({"parameters": (*PARAMETERS, FlagParameter(name="stir"))}, "parameters named twice: stir"),
    ],
)
def test_declarations_that_do_not_fit_together_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        protocol(**changes)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: NumberParameter(name="x", unit="1", low=2, high=1), "low 2 is not below high 1"),
        (lambda: NumberParameter(name="x", unit="1", low=0, high=1, log=True), "a log scale needs low > 0"),
        (lambda: OrdinalParameter(name="x", unit="1", values=(2, 1)), "its values must rise"),
        (lambda: ChoiceParameter(name="x", levels=("a", "a")), "levels given twice: a"),
        (lambda: ChoiceParameter(name="x", levels=("a", "b"), descriptors={"a": {"z": 1}}), "level 'b' has none"),
        (lambda: TextParameter(name="x", pattern="("), "is no regular expression"),
        (lambda: ArrayResult(name="x", unit="1", shape=(2, 2), dims=("a",)), "1 dims for a shape of 2"),
        (lambda: FileResult(name="x", media_type="png"), "no media type, such as image/png"),
    ],
)
def test_a_declaration_that_means_nothing_is_refused(make: Any, says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        make()
    assert says in str(caught.value)


def test_a_flag_in_a_space_is_a_category_of_two() -> None:
    space = Space(
        parameters=(Flag(name="stir"), Real(name="x", unit="1", low=0, high=1)),
        constraints=(Forbidden.model_validate({"when": {"stir": True, "x": {"above": 0.5}}, "because": "splashes"}),),
    )
    assert Space.model_validate_json(space.model_dump_json()) == space
    assert space.from_unit([0.2, 0.5])["stir"] == "false"
    assert space.violations({"stir": "true", "x": 0.7}) == ["stir = true and x above 0.5 is forbidden: splashes"]
    assert space.violations({"stir": True, "x": 0.2}) == []
    pool = Pool(file="c.csv", sha256="0" * 64, rows=(("true", 0.25),))
    assert space.model_copy(update={"pool": pool}).violations({"stir": True, "x": 0.25}) == []
    assert steering._values(space, ["stir=TRUE", "x=0.5"]) == {"stir": "true", "x": 0.5}
    with pytest.raises(ConfigError, match="stir: no level 'yes'"):
        steering._values(space, ["stir=yes"])
    veto = Veto.model_validate({"params": {"stir": True}})
    assert covers(veto, space, {"stir": "true", "x": 0.1})
    assert not covers(veto, space, {"stir": "false", "x": 0.1})
    assert space.violations({"stir": "perhaps", "x": 0.2}) == ["stir = 'perhaps' is not true or false"]
    with pytest.raises(ValidationError, match="leave out levels"):
        Flag(name="stir", levels=("no", "yes"))


def test_a_condition_may_be_on_a_level_or_a_flag() -> None:
    found = {"look": {"phase": "clear", "boiled": False, "rsd": 0.01}}
    assert When(result="look.phase", op="==", value="clear").holds(found)
    assert not When(result="look.boiled", op="!=", value=False).holds(found)
    assert When(result="look.rsd", op="<", value=1).holds(found)
    assert str(When(result="look.boiled", op="==", value=True)) == "look.boiled == true"
    assert When.model_validate_json('{"result": "look.rsd", "op": "<", "value": 1}').value == 1.0
    for value, says in (("clear", "found no level 'rsd'"), (True, "found no truth value 'rsd'")):
        with pytest.raises(KeyError, match=says):
            When(result="look.rsd", op="==", value=value).holds(found)
    with pytest.raises(ValidationError, match="has no order; compare it with == or !="):
        When(result="look.phase", op="<", value="clear")
