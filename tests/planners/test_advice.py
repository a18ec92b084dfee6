"""A worker is asked for advice only where the campaign has a rule on it, and passes it on."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from labwright.model.campaign import CampaignState, StopAdvice, Suggestion
from labwright.planners import Answer, PlannerWorker, __main__
from labwright.planners._wire import Ask, Reply
from tests.planners.conftest import new_state

ADVICE = StopAdvice(stop=True, reason="r", expected_gain=0.1, noise=0.2, regret_bound=0.3)


class Adviser:
    def ask(self, state: CampaignState, n: int) -> list[Suggestion]:
        return [Suggestion(params={"salt": 1.0, "carbonate": 0.4, "share": 1.0}, rationale="r")]

    def advise_stop(self, state: CampaignState) -> StopAdvice:
        return ADVICE


@pytest.mark.parametrize("wanted", [True, False])
def test_a_reply_has_advice_where_it_is_wanted(wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(__main__, "load_planner", lambda spec: Adviser())
    state = new_state("sobol")
    reply = __main__._Kept().answer(Ask(planner=state.planner, n=1, campaign=state, advise=wanted))
    assert Reply.model_validate_json(reply.model_dump_json()).advice == (ADVICE if wanted else None)


def test_a_planner_that_cannot_say_still_suggests() -> None:
    answers: list[Any] = []
    come = threading.Event()

    def answered(answer: Answer) -> None:
        answers.append(answer)
        come.set()

    worker = PlannerWorker(new_state("random").planner, advise=True)
    try:
        worker.ask(new_state("random"), 1, answered)
        assert come.wait(60)
    finally:
        worker.close()
    assert answers[0].error == ""
    assert len(answers[0].suggestions) == 1
