"""Limits between parameters: what they say, what they refuse, and what a space refuses to have."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from labwright.model.constraints import Between, Choose, Forbidden, LinearEQ, LinearLE, Mixture
from labwright.model.space import Categorical, Integer, Ordinal, Pool, Real, Space


def share(name: str, low: float = 0.0, high: float = 1.0, unit: str = "1", step: float | None = None) -> Real:
    return Real(name=name, low=low, high=high, unit=unit, step=step)


ABC = (share("a"), share("b"), share("c"))
SALT = Categorical(name="salt", levels=("LiPF6", "LiFSI"))
OVEN = Ordinal(name="oven", unit="degC", values=(0, 200, 350, 900))


@pytest.mark.parametrize(
    ("limit", "params", "says"),
    [
        (
            LinearLE(coefficients={"a": 1.0, "b": -0.5}, bound=0.2),
            {"a": 0.5, "b": 0.2},
            "1*a -0.5*b <= 0.2 is exceeded by 0.2",
        ),
        (
            LinearEQ(coefficients={"a": 2.0, "b": 1.0}, total=1.0),
            {"a": 0.5, "b": 0.1},
            "2*a +1*b = 1 is missed by +0.1",
        ),
        (Mixture(parameters=("a", "b")), {"a": 0.5, "b": 0.4}, "a + b = 1 is missed by -0.1"),
        (
            Choose(parameters=("a", "b", "c"), at_most=1),
            {"a": 0.5, "b": 0.4, "c": 0.0},
            "at most 1 of a, b, c: 2 are used (a, b)",
        ),
        (
            Choose(parameters=("a", "b"), at_least=1, at_most=2),
            {"a": 0.0, "b": 0.0},
            "1 to 2 of a, b: 0 are used (none)",
        ),
        (
            Choose(parameters=("a", "b"), at_least=1, at_most=1, least=0.1),
            {"a": 0.05, "b": 0.0},
            "exactly 1 of a, b, each at least 0.1: a = 0.05 is less; use more of it or none",
        ),
        (
            Forbidden(when={"a": Between(above=0.5), "salt": "LiFSI"}, because="it salts out"),
            {"a": 0.6, "salt": "LiFSI"},
            "a above 0.5 and salt = LiFSI is forbidden: it salts out",
        ),
        (Forbidden(when={"a": (0.1, 0.2)}), {"a": 0.2}, "a in (0.1, 0.2) is forbidden"),
        (Forbidden(when={"a": Between(above=0.1, below=0.3)}), {"a": 0.2}, "a above 0.1 and below 0.3 is forbidden"),
    ],
)
def test_a_broken_limit_is_told_in_words(limit: LinearLE, params: dict[str, float], says: str) -> None:
    assert limit.violation(params) == says
    assert set(limit.names) == set(params)


@pytest.mark.parametrize(
    ("limit", "params"),
    [
        (Mixture(parameters=("a", "b"), total=100.0), {"a": 33.3, "b": 66.7 + 9e-8}),
        (Mixture(parameters=("a", "b", "c")), {"a": 0.1, "b": 0.2, "c": 0.7}),
        (LinearEQ(coefficients={"a": 1.0, "b": -1.0}, total=0.0), {"a": 0.1 + 0.2, "b": 0.3}),
        (Choose(parameters=("a", "b"), at_least=1, at_most=1, least=0.3), {"a": 0.1 * 3, "b": 0}),
        (Forbidden(when={"a": Between(above=0.5)}), {"a": 0.5}),
        (Forbidden(when={"a": (1, 2), "salt": ("LiFSI",)}), {"a": 1.0, "salt": "LiPF6"}),
    ],
)
def test_rounding_and_ends_are_forgiven(limit: Mixture, params: dict[str, float]) -> None:
    assert limit.violation(params) is None


@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=10), st.floats(1e-3, 1e3))
def test_shares_of_a_whole_add_up_and_what_is_off_by_a_millionth_does_not(shares: list[float], total: float) -> None:
    names = [f"x{place}" for place in range(len(shares))]
    limit = Mixture(parameters=tuple(names), total=total)
    params = {name: one * total / math.fsum(shares) for name, one in zip(names, shares, strict=True)}
    assert limit.violation(params) is None
    assert limit.violation({**params, "x0": params["x0"] + 1e-6 * total}) is not None


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"type": "mixtur", "parameters": ["a", "b"]}, "no type of constraint 'mixtur'; did you mean 'mixture'?"),
        ({"type": 3}, "no type of constraint '3'"),
        ({"bound": 1.0}, "coefficients"),
        ({"type": "linear_eq", "coefficients": {"a": 0.0, "b": 1.0}, "total": 1.0}, "leave out a"),
        (
            {"type": "linear_eq", "coefficients": {"a": 1.0, "b": 1.0}, "total": 3.0},
            "no point of the space keeps it; the largest sum is 2",
        ),
        ({"type": "linear_eq", "coefficients": {"a": 1.0, "b": 1.0}, "total": -1.0}, "the smallest sum is 0"),
        ({"type": "mixture", "parameters": ["a"]}, "at least 2 items"),
        ({"type": "mixture", "parameters": ["a", "a"]}, "parameters given twice: a"),
        ({"type": "mixture", "parameters": ["a", "salt"]}, "no numeric parameter 'salt'"),
        ({"type": "mixture", "parameters": ["a", "n"]}, "share cannot be negative, but the low of n is -2"),
        ({"type": "mixture", "parameters": ["a", "oven"]}, "shares of a whole have one unit, not '1', 'degC'"),
        ({"type": "mixture", "parameters": ["a", "b"], "total": 0.0}, "greater than 0"),
        ({"type": "choose", "parameters": ["a", "b"], "at_most": 3}, "nor at_most their number"),
        ({"type": "choose", "parameters": ["a", "b"], "at_least": 2, "at_most": 1}, "must not exceed"),
        (
            {"type": "choose", "parameters": ["a", "d"], "at_most": 1},
            "d cannot be left out, its smallest value is 0.2; set its low to 0",
        ),
        ({"type": "choose", "parameters": ["a", "b"], "at_most": 1, "least": 1.5}, "a can be at most 1"),
        ({"type": "forbidden", "when": {}}, "at least 1 item"),
        ({"type": "forbidden", "when": {"sal": "LiFSI"}}, "no parameter 'sal'; did you mean 'salt'?"),
        ({"type": "forbidden", "when": {"salt": "LiFS"}}, "no level 'LiFS'; did you mean 'LiFSI'?"),
        ({"type": "forbidden", "when": {"salt": {"above": 1.0}}}, "salt has levels and no order"),
        (
            {"type": "forbidden", "when": {"oven": [200, 300]}},
            "oven = 300 degC is none of its values (0, 200, 350, 900 degC)",
        ),
        ({"type": "forbidden", "when": {"a": {}}}, "give above, below or both"),
        ({"type": "forbidden", "when": {"a": {"above": 0.5, "below": 0.5}}}, "swap or widen them"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(bad: dict[str, object], says: str) -> None:
    d, n = share("d", low=0.2), Integer(name="n", low=-2, high=5)
    with pytest.raises(ValidationError) as caught:
        Space.model_validate({"parameters": [*ABC, d, n, SALT, OVEN], "constraints": [bad]})
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        (
            [
                Mixture(parameters=("a", "b")),
                LinearLE(coefficients={"a": 1.0}, bound=0.2),
                LinearLE(coefficients={"b": 1.0}, bound=0.7),
            ],
            "no point of the space keeps these together: a + b = 1; 1*a <= 0.2; 1*b <= 0.7",
        ),
        (
            [Mixture(parameters=("e", "f", "g")), Choose(parameters=("e", "f", "g"), at_most=2)],
            "no point of the space keeps it together with at most 2 of e, f, g; the largest sum is then 0.8",
        ),
        (
            [Mixture(parameters=("a", "b", "c")), Choose(parameters=("a", "b", "c"), at_least=3, at_most=3, least=0.4)],
            "the smallest sum is then 1.2",
        ),
    ],
)
def test_limits_that_nothing_keeps_together_are_named(limits: list[object], says: str) -> None:
    small = [share(name, high=0.4) for name in "efg"]
    with pytest.raises(ValidationError) as caught:
        Space.model_validate({"parameters": [*ABC, *small], "constraints": limits})
    assert says in str(caught.value)


def test_limits_survive_json_and_one_without_a_type_is_at_most() -> None:
    limits = [
        {"coefficients": {"a": 1.0}, "bound": 0.9},
        {"type": "linear_eq", "coefficients": {"a": 1.0, "b": -1.0}, "total": 0.0},
        {"type": "mixture", "parameters": ["a", "b", "c"]},
        {"type": "choose", "parameters": ["a", "b", "c"], "at_most": 3, "least": 0.1},
        {"type": "forbidden", "when": {"salt": ["LiFSI"], "a": {"above": 0.5}, "oven": 350}, "because": "it boils"},
    ]
    space = Space.model_validate({"parameters": [*ABC, SALT, OVEN], "constraints": limits})
    assert [one.type for one in space.constraints] == ["linear_le", "linear_eq", "mixture", "choose", "forbidden"]
    assert Space.model_validate_json(space.model_dump_json()) == space
    assert Space.model_json_schema()["$defs"]["Forbidden"]


def test_a_pool_allows_its_rows_and_names_the_nearest() -> None:
    pool = Pool(file="candidates.csv", rows=((0.1, "LiPF6"), (0.8, "LiFSI")), ids=("P-1", "P-2"))
    space = Space(parameters=(share("a"), SALT), pool=pool)
    assert space.violations({"a": 0.8, "salt": "LiFSI"}) == []
    assert space.violations({"a": 0.7, "salt": "LiFSI"}) == [
        "this is none of the 2 candidates in candidates.csv; the nearest is P-2 (a = 0.8, salt = LiFSI)"
    ]
    assert space.violations({"a": 7.0, "salt": "LiFSI"}) == ["a = 7 is outside 0 to 1"]
    assert Space.model_validate_json(space.model_dump_json()) == space
    unread = Space(parameters=(share("a"),), pool=Pool(file="candidates.csv"))
    assert "are not read" in unread.violations({"a": 0.5})[0]


@pytest.mark.parametrize(
    ("pool", "says"),
    [
        ({"rows": [[0.1], [0.1]]}, "row 2 is the same as row 1"),
        ({"rows": [[0.1, 0.2]]}, "row 1 has 2 values for 1 parameters"),
        ({"rows": [[1.5]], "ids": ["x7"]}, "x7: a = 1.5 is outside 0 to 1"),
        ({"rows": [[0.9]]}, "row 1: 1*a <= 0.5 is exceeded by 0.4"),
        ({"rows": [[0.1], [0.2]], "ids": ["x", "x"]}, "ids given twice: x"),
        ({"rows": [[0.1], [0.2]], "ids": ["x"]}, "1 ids for 2 rows"),
        ({"rows": [[2.0 + place] for place in range(9)]}, "and 4 more"),
    ],
)
def test_a_pool_of_what_is_not_allowed_is_refused(pool: dict[str, object], says: str) -> None:
    limit = LinearLE(coefficients={"a": 1.0}, bound=0.5)
    with pytest.raises(ValidationError) as caught:
        Space.model_validate({"parameters": [ABC[0]], "constraints": [limit], "pool": {"file": "c.csv", **pool}})
    assert says in str(caught.value)
