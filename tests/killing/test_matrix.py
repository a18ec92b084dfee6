"""The kill matrix: somebody dies at every boundary of the journal, and everything happens once all the same.

Boundaries: before and after each commit (events, intents, outcomes, observations), and the beginning, middle and end of
each act on the wire. Victims: the controller, the simulated instruments, the broker, the database. Journals: SQLite and
PostgreSQL. Ways to find out what has happened: the four stations of the lab in tests/labs/fourways.

`make test` kills some 60 times; `make soak` at every boundary, several times over.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from labwright.journal import schema
from tests.killing.bench import Kill, assert_booked, assert_books, assert_once, bench

STEPS = ("id_dose", "count_dose", "turn", "dumb_dose", "measure")
DEVICES = ("doser", "pump", "valve", "dumb", "meter")

BOUNDARIES = [
    *(f"{when} event:{kind}" for kind in ("started", "suggested", "step_ended") for when in ("before", "after")),
    *(f"{when} intent:{step}" for step in STEPS for when in ("before", "after")),
    *(f"{when} of {device}" for device in DEVICES for when in ("begin", "middle", "end")),
    *(f"{when} outcome:{step}" for step in STEPS[:-1] for when in ("before", "after")),
    *(f"{when} outcome+observation:measure" for when in ("before", "after")),
]
"""Where a controller can be caught."""

JOURNALS = ("sqlite", "postgres")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def journal_of(kind: str, request: pytest.FixtureRequest) -> tuple[str, Any]:
    """The place of a new journal, and its server."""
    if kind == "sqlite":
        return "", None
    server = request.getfixturevalue("postgres")
    return server.fresh_database(), server


def kill_controllers(
    data: Path, place: str, server: Any, boundaries: list[tuple[str, int]]
) -> tuple[int, dict[str, int]]:
    """Kill a controller at each boundary, go on until the campaign is over; kills, and questions by device."""
    with bench(data, place, server) as one:
        for boundary, nth in boundaries:
            one.run(Kill(boundary, nth=nth), budget=6)
        while one.cut_off():
            assert one.run() == 0, (one.data / "controller.log").read_text()[-2000:]
        assert_once(one)
        return len(one.kills), dict(one.asked)


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.long)])
def test_a_controller_killed_at_boundaries_repeats_nothing(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    chosen = BOUNDARIES[0 if kind == "sqlite" else 1 :: 2]  # together: all of them
    kills, asked = kill_controllers(tmp_path / "bench", *journal_of(kind, request), [(one, 1) for one in chosen])
    assert kills >= len(chosen) - 2, "a boundary is not passed any more"
    assert set(asked) <= {"dumb"}, "only who cannot be asked leaves a doubt"


OTHERS = {
    "simulation": [f"{when} of {device}" for device in DEVICES for when in ("begin", "middle")],
    "broker": ["begin of doser", "middle of doser", "begin of meter", "middle of meter", "after intent:id_dose"],
    "database": [
        "before intent:turn", "after intent:dumb_dose", "before outcome:id_dose", "middle of pump",
        "before outcome+observation:measure", "before event:step_ended", "after event:suggested",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("victim", "kind"),
    [
        ("simulation", "sqlite"),
        ("broker", "sqlite"),
        pytest.param("database", "postgres", marks=pytest.mark.long),
        pytest.param("simulation", "postgres", marks=pytest.mark.soak),
        pytest.param("broker", "postgres", marks=pytest.mark.soak),
    ],
)
def test_whoever_else_dies_the_controller_goes_on(
    victim: str, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    kills = [Kill(boundary, victim) for boundary in OTHERS[victim]]
    with bench(tmp_path / "bench", *journal_of(kind, request)) as one:
        code = one.run(*kills, budget=len(kills))
        assert code == 0, (one.data / "controller.log").read_text()[-3000:]
        assert len(one.kills) == len(kills)
        assert_once(one, exact=victim != "simulation")
        if victim != "simulation":
            assert set(one.asked) <= {"dumb"}


def kill_with_many_in_flight(
    data: Path, place: str, server: Any, boundaries: list[tuple[str, int]], campaigns: int, budget: int, parallel: int
) -> tuple[int, dict[str, int]]:
    """As `kill_controllers`, with samples of several campaigns on their way; when all are over, others begin.

    After each kill the ledger is held against the instruments' own logs.
    """
    with bench(data, place, server) as one:
        begun = campaigns
        for boundary, nth in boundaries:
            if one.over() == begun:
                begun += campaigns
            one.run_many(Kill(boundary, nth=nth), campaigns=begun, budget=budget, parallel=parallel)
            assert_books(one)
        while one.over() < begun:
            assert one.run_many(campaigns=begun, budget=budget, parallel=parallel) == 0, one.said()[-2000:]
        assert assert_once(one) == begun * budget
        assert_booked(one)
        owners = {row["campaign"] for row in one.rows(schema.experiment)}
        assert len(owners) == begun
        return len(one.kills), dict(one.asked)


MANY = ("after event:started", "after intent:id_dose", "middle of pump", "before outcome:turn", "end of dumb")
"""A few, each with four samples of two campaigns in flight; `make soak` takes all."""


@pytest.mark.parametrize("kind", JOURNALS)
def test_a_controller_killed_with_two_campaigns_in_flight_repeats_nothing(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    chosen = [(one, 1) for one in (MANY if kind == "sqlite" else MANY[1:3])]
    kills, asked = kill_with_many_in_flight(tmp_path / "bench", *journal_of(kind, request), chosen, 2, 3, 2)
    assert kills >= len(chosen) - 1, "a boundary is not passed any more"
    assert set(asked) <= {"dumb"}, "only who cannot be asked leaves a doubt"


@pytest.mark.soak
@pytest.mark.parametrize("kind", JOURNALS)
@pytest.mark.parametrize("seed", range(8, 12))
def test_soak_of_controllers_with_two_campaigns(
    kind: str, seed: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    chance = random.Random(seed)  # noqa: S311 - an order, not a secret
    boundaries = [(boundary, chance.choice((1, 1, 2, 3))) for boundary in BOUNDARIES]
    chance.shuffle(boundaries)
    kills, asked = kill_with_many_in_flight(tmp_path / "bench", *journal_of(kind, request), boundaries, 2, 5, 2)
    assert kills >= 0.8 * len(boundaries), "too many boundaries are not passed"
    assert set(asked) <= {"dumb"}


@pytest.mark.soak
@pytest.mark.parametrize("kind", JOURNALS)
@pytest.mark.parametrize("seed", range(8))
def test_soak_of_controllers(kind: str, seed: int, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    chance = random.Random(seed)  # noqa: S311 - an order, not a secret
    boundaries = [(boundary, chance.choice((1, 1, 1, 2))) for boundary in BOUNDARIES for _ in range(2)]
    chance.shuffle(boundaries)
    kills, asked = kill_controllers(tmp_path / "bench", *journal_of(kind, request), boundaries)
    assert kills >= 0.8 * len(boundaries), "too many boundaries are not passed"
    assert set(asked) <= {"dumb"}
