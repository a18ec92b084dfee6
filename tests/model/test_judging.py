"""Which experiments count, which are best, what a veto reaches."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labwright.model.campaign import Fidelity, Objective, Outcome, OutcomeLimit, Trial, Veto
from labwright.model.judging import best_of, counts, covers, front, hypervolume
from labwright.model.space import Categorical, Real, Space

LARGE = Objective(name="y", goal="max", unit="1")
NEAR = Objective(name="z", goal="target", target=5.0, unit="1")
SPACE = Space(
    parameters=(
        Real(name="t", unit="degC", low=0, high=100),
        Real(name="c", unit="1", low=0.001, high=1, log=True),
        Categorical(name="gas", levels=("N2", "Ar")),
    )
)


def trial(number: int, x: float = 1.0, **outcomes: float) -> Trial:
    found = {name: Outcome(mean=value) for name, value in outcomes.items()}
    return Trial(id=str(number), params={"x": x}, status="done", outcomes=found)


def test_only_what_keeps_the_limits_at_full_fidelity_counts() -> None:
    limit, full = OutcomeLimit(name="z", unit="1", high=3.0), Fidelity(parameter="x", target=1.0)
    assert counts(trial(1, y=1, z=3), [limit], full)
    assert not counts(trial(1, y=1, z=3.1), [limit])
    assert not counts(trial(1, y=1), [limit])
    assert not counts(trial(1, x=0.5, y=1), fidelity=full)
    assert not counts(Trial(id="1", params={"x": 1.0}, status="failed", fail_kind="equipment"))


def test_the_best_is_so_by_merit() -> None:
    trials = [trial(1, y=1, z=9.0), trial(2, y=7, z=4.0), trial(3, y=3, z=5.5)]
    assert best_of(LARGE, trials) == trials[1]
    assert best_of(NEAR, trials) == trials[2]
    assert best_of(LARGE, trials, [OutcomeLimit(name="z", unit="1", low=6)]) == trials[0]
    assert best_of(LARGE, []) is None


def test_the_front_is_beaten_by_none_and_equal_ones_stay() -> None:
    trials = [trial(1, y=1, z=5), trial(2, y=2, z=6), trial(3, y=1, z=6), trial(4, y=2, z=4), trial(5, y=0, z=5)]
    assert [one.id for one in front((LARGE, NEAR), trials)] == ["1", "2", "4"]


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), max_size=30))
def test_the_front_is_all_that_no_other_beats_in_their_order(points: list[tuple[int, int, int]]) -> None:
    three = [Objective(name=name, goal="max", unit="1") for name in ("a", "b", "c")]
    trials = [trial(n, **dict(zip("abc", map(float, point), strict=True))) for n, point in enumerate(points)]

    def beats(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
        return one != other and all(a >= b for a, b in zip(one, other, strict=True))

    wanted = [str(n) for n, point in enumerate(points) if not any(beats(other, point) for other in points)]
    assert [one.id for one in front(three, trials)] == wanted


def test_a_hypervolume_is_the_union_of_boxes() -> None:
    assert hypervolume([(2.0, 1.0), (1.0, 2.0), (0.5, 0.5)], (0.0, 0.0)) == pytest.approx(3.0)
    assert hypervolume([(1.0, 1.0, 1.0), (2.0, 0.5, 1.0)], (0.0, 0.0, 0.0)) == pytest.approx(1.5)
    assert hypervolume([(-1.0, 5.0)], (0.0, 0.0)) == 0.0


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8))
def test_a_hypervolume_grows_with_every_point_and_stays_in_the_box(points: list[tuple[float, float]]) -> None:
    volumes = [hypervolume(points[: size + 1], (0.0, 0.0)) for size in range(len(points))]
    assert volumes == sorted(volumes) or volumes == pytest.approx(sorted(volumes))
    assert 0 <= volumes[-1] <= 1 + 1e-9


@pytest.mark.parametrize(
    ("veto", "params", "covered"),
    [
        ({"t": 50}, {"t": 50.0}, True),
        ({"t": 50}, {"t": 51.0}, False),
        ({"t": 50, "gas": "Ar"}, {"t": 50.0}, False),
        ({"t": 50, "gas": "N2"}, {"t": 59.0}, True),
        ({"c": 0.01}, {"c": 0.019}, True),  # on the scale of the logarithm
        ({"c": 0.01}, {"c": 0.021}, False),
    ],
)
def test_a_veto_reaches_as_far_as_it_says(veto: dict[str, Any], params: dict[str, Any], covered: bool) -> None:
    reach = 0.0 if veto == {"t": 50} else 0.1
    assert covers(Veto(params=veto, reach=reach), SPACE, {"t": 0.0, "c": 0.5, "gas": "N2", **params}) == covered


def test_a_veto_on_nothing_forbids_nothing() -> None:
    assert not covers(Veto(params={}), SPACE, {"t": 0.0, "c": 0.5, "gas": "N2"})
