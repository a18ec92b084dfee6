"""The planner desk: a worker a campaign, few at once, few ready."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labwright.engine import desk
from labwright.engine.desk import PlannerDesk
from labwright.planners import Answer

STATE: Any = None


class Worker:
    """Thinks until it is told to answer."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name, self.log = name, log
        self.answered: Callable[[Answer], None] | None = None

    def ask(self, state: Any, n: int, answered: Callable[[Answer], None]) -> None:
        self.log.append(f"ask {self.name}")
        self.answered = answered

    def rest(self) -> None:
        self.log.append(f"rest {self.name}")

    def close(self) -> None:
        self.log.append(f"close {self.name}")
        if self.answered is not None:
            self.answered(Answer((), "closed"))

    def answer(self) -> None:
        answered, self.answered = self.answered, None
        assert answered is not None
        answered(Answer(()))


def desk_of(names: str) -> tuple[PlannerDesk, dict[str, Worker], list[str], list[Any]]:
    log: list[str] = []
    workers = {name: Worker(name, log) for name in names}
    one, answers = PlannerDesk(), list[Any]()
    for name, worker in workers.items():
        one.open(name, worker)
    return one, workers, log, answers


def test_few_think_at_once_and_in_the_order_in_which_they_were_asked() -> None:
    one, workers, log, answers = desk_of("abcd")
    for name in "abcd":
        one.ask(name, STATE, answers.append)
    assert log == ["ask a", "ask b"]
    workers["b"].answer()
    assert log == ["ask a", "ask b", "ask c"]
    workers["a"].answer()
    workers["c"].answer()
    workers["d"].answer()
    assert log[-1] == "ask d"
    assert len(answers) == 4


def test_a_campaign_that_ends_is_answered_and_holds_up_no_other() -> None:
    one, _, log, answers = desk_of("abc")
    for name in "abc":
        one.ask(name, STATE, answers.append)
    one.close("c")
    assert [answer.error for answer in answers] == ["its campaign ended before its planner was asked"]
    one.ask("a", STATE, answers.append)  # a campaign asks once at a time; a second ask waits for the first
    one.close("b")
    assert log == ["ask a", "ask b", "close c", "close b"]
    one.close_all()
    assert [answer.error for answer in answers][1:] == ["closed", "its campaign ended before its planner was asked",
                                                       "closed"]  # fmt: skip


def test_of_many_campaigns_only_few_workers_are_kept_ready() -> None:
    names = "abcdefghijk"
    one, workers, log, answers = desk_of(names)
    for name in names:
        one.ask(name, STATE, answers.append)
        workers[name].answer()
    assert [line for line in log if line.startswith("rest")] == ["rest a", "rest b", "rest c"]
    one.ask("a", STATE, answers.append)
    assert [line for line in log if line.startswith("rest")][-1] == "rest d"
    assert len(workers) - desk.AWAKE == 3
