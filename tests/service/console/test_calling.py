"""What the fields of a form stand for."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from labwright.service.console.calling import body_of
from labwright.service.problems import Problem


def test_fields_become_json() -> None:
    fields = [
        ("because", "it smells"),
        ("now:bool", "true"),
        ("budget:int", "12"),
        ("readings.torque:float", "1.5"),
        ("readings.seal", "good"),
        ("params:json", '{"a": [1, 2]}'),
        ("left_empty", ""),
    ]
    assert body_of(fields) == {
        "because": "it smells",
        "now": True,
        "budget": 12,
        "readings": {"torque": 1.5, "seal": "good"},
        "params": {"a": [1, 2]},
    }


@pytest.mark.parametrize(
    ("field", "pointer"),
    [
        (("budget:int", "twelve"), "/budget"),
        (("budget:int", "1.5"), "/budget"),
        (("readings.torque:float", "1,5"), "/readings/torque"),
        (("params:json", "{"), "/params"),
    ],
)
def test_a_field_that_is_not_what_it_should_be_is_named(field: tuple[str, str], pointer: str) -> None:
    with pytest.raises(Problem) as refused:
        body_of([field])
    assert refused.value.code == "invalid"
    assert refused.value.errors[0]["pointer"] == pointer
    assert repr(field[1]) in refused.value.detail


def test_what_is_no_number_is_left_to_the_route_to_refuse() -> None:
    with pytest.raises(Problem):
        body_of([("x:float", "nan")])


def test_a_field_within_what_is_no_object_is_refused() -> None:
    with pytest.raises(Problem):
        body_of([("a", "text"), ("a.b", "text")])


def test_a_list_is_gathered_and_a_day_ends_in_the_labs_zone() -> None:
    assert body_of([("roles:list", " "), ("roles:list", "viewer"), ("roles:list", "admin operator")]) == {
        "roles": ["viewer", "admin", "operator"]
    }
    assert body_of([("roles:list", " ")]) == {"roles": []}
    assert body_of([("until:day", "2027-03-31")], ZoneInfo("Asia/Tokyo")) == {"until": "2027-03-31T23:59:59+09:00"}
    with pytest.raises(Problem, match="'soon' is not a day"):
        body_of([("until:day", "soon")])
