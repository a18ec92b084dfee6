"""Pauses at random moments, and second controllers: by commands in the journal, while a controller works.

`make test` pauses 10 times and starts 3 controllers too many; `make soak` a hundred of each.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labwright.journal import Journal, schema
from tests.killing.bench import SPEED, Bench, Kill, assert_once, bench, until

ENOUGH = 1000
"""Experiments; the campaign is drained long before."""

TAKEN_S = 0.15
"""Wall seconds within which a pause that is in the journal has reached the stations, on a machine with much to do."""

SHORTEST_S, LONGEST_S = 0.3, 0.8
"""Wall seconds a pause lasts: at least so long that every station would have begun something else."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.long]


def beside_a_controller(one: Bench, work: Callable[[str], None]) -> None:
    """Do `work` while a controller runs; then the campaign is drained, and everything must have happened once."""

    def whole() -> None:
        until(lambda: bool(one.rows(schema.experiment)), "the first experiment has begun")
        campaign = str(one.cut_off())
        try:
            work(campaign)
        finally:
            tell(one, campaign, "drain")

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(whole)
        code = one.run(budget=ENOUGH)
        working.result()
    assert code == 0, (one.data / "controller.log").read_text()[-2000:]


def tell(one: Bench, campaign: str, kind: str) -> str:
    """Give a command, and wait for its answer."""
    with one.journal() as journal:
        number = journal.command(campaign, kind, {}, by="test", because="to see what happens")
        until(lambda: journal.answer_to(number) is not None, f"the command {kind} is taken")
        return str(journal.answer_to(number))


def begun_in_pauses(journal: Journal, campaign: str) -> tuple[int, list[str]]:
    """How many pauses there were, and what was begun in one of them."""
    times: list[tuple[float, float]] = []
    for event in journal.events(campaign):
        if event.kind == "pause_asked":
            times.append((event.lab_time_s + TAKEN_S * SPEED, float("inf")))
        elif event.kind == "resume_asked":
            times[-1] = (times[-1][0], event.lab_time_s)
    begun = [
        f"{row['step_id']}#{row['n']} was begun {row['prepared_s'] - since_s:.2f} s after the pause was taken"
        for row in journal.rows(schema.intent)
        for since_s, until_s in times
        if since_s < row["prepared_s"] < until_s
    ]
    return len(times), begun


def pause_at_random(data: Path, count: int, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    wait = threading.Event().wait

    def pauses(campaign: str) -> None:
        for _ in range(count):
            wait(chance.uniform(0.0, 0.5))
            assert tell(one, campaign, "pause") == "done"
            wait(chance.uniform(SHORTEST_S, LONGEST_S))
            assert tell(one, campaign, "resume") == "done"

    with bench(data) as one:
        beside_a_controller(one, pauses)
        experiments = assert_once(one)
        with one.journal() as journal:
            paused, begun = begun_in_pauses(journal, journal.campaigns()[-1])
    assert paused == count
    assert not begun
    assert experiments > count / 20, "too little happened between the pauses to show anything"
    assert not one.asked


def second_controllers(data: Path, count: int) -> None:
    """While one works, others are started; none of them is let in, and nothing is disturbed."""

    def zombies(campaign: str) -> None:
        for _ in range(count):
            code, said = one.zombie()
            assert code == 5, said
            assert "another controller runs on the journal" in said
            assert "by kill matrix" in said

    with bench(data) as one:
        beside_a_controller(one, zombies)
        assert assert_once(one) > 0
        with one.journal() as journal:
            assert len(journal.rows(schema.epoch)) == 1, "one of them was let in"


def test_nothing_begins_in_a_pause_and_nothing_happens_twice(tmp_path: Path) -> None:
    pause_at_random(tmp_path / "bench", 10, seed=0)


def test_a_second_controller_is_refused_in_words(tmp_path: Path) -> None:
    second_controllers(tmp_path / "bench", 3)


def test_a_controller_that_comes_back_is_kept_out_as_well(tmp_path: Path) -> None:
    with bench(tmp_path / "bench") as one:
        one.run(Kill("after intent:turn"), budget=1)
        with one.journal() as journal:
            journal.control("the first")  # whoever holds the journal, here this test
            code, said = one.zombie()
            assert code == 5
            assert "by the first" in said
        assert one.run() == 0
        assert_once(one)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 5))
def test_soak_of_pauses(seed: int, tmp_path: Path) -> None:
    pause_at_random(tmp_path / "bench", 25, seed)


@pytest.mark.soak
def test_soak_of_second_controllers(tmp_path: Path) -> None:
    second_controllers(tmp_path / "bench", 100)
