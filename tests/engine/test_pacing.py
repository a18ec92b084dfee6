"""Another sample begins as late as it can without a station standing still for it."""

from __future__ import annotations

import functools
import random
from pathlib import Path

import pytest

import labwright.engine.campaign_plan
from labwright.engine import load_campaign
from labwright.engine.campaign_plan import CampaignPlan, DeckState, plan_campaigns
from labwright.engine.events import Answered, Ask, Event, RunStep
from labwright.engine.layout import Layout, layout_of
from labwright.engine.rehearsal import Rehearsal
from labwright.engine.what_if import what_if
from labwright.lab import LabFolder, read_lab
from labwright.model.protocol import StepOrder
from tests.engine.alone import Alone
from tests.engine.test_core import ended, started, suggested

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "lab_config" / "campaigns" / "conductivity.yaml"


@pytest.fixture(scope="module")
def folder() -> LabFolder:
    return read_lab(ROOT)


def rehearsed(folder: LabFolder, planner: str, parallel: int, layout: Layout | None = None) -> CampaignPlan:
    campaign = load_campaign(folder, SPEC, budget=14, parallel=parallel, planner=planner)
    return plan_campaigns(folder, [campaign], DeckState(), layout=layout)


def in_flight(plan: CampaignPlan) -> list[int]:
    """How many others are under way when each experiment after the first four begins."""
    began: dict[int, float] = {}
    ended_s: dict[int, float] = {}
    for bar in plan.bars:
        if bar.order.experiment:
            number = bar.order.experiment
            began[number] = min(began.get(number, bar.began_s), bar.began_s)
            ended_s[number] = max(ended_s.get(number, 0.0), bar.ended_s)
    return [sum(ended_s[other] > began[one] for other in began if other < one) for one in began if one > 4]


def test_fewer_are_in_flight_where_more_would_only_wait_and_it_takes_as_long(folder: LabFolder) -> None:
    at_once, paced = (rehearsed(folder, planner, 4) for planner in ("random", "gp"))
    assert paced.makespan_s == pytest.approx(at_once.makespan_s, rel=1e-6)
    assert (max(in_flight(at_once)), max(in_flight(paced))) == (3, 2)


@pytest.mark.parametrize("words", ["more impedance", "slots stirring 1", "more impedance, more stirring"])
def test_another_lab_takes_as_long_too(words: str, folder: LabFolder) -> None:
    layout = what_if(words, layout_of(folder.model)).layout
    at_once, paced = (rehearsed(folder, planner, 6, layout).makespan_s for planner in ("random", "gp"))
    assert paced == pytest.approx(at_once, rel=0.01)


def test_a_batch_is_not_made_smaller(folder: LabFolder) -> None:
    plate = folder.model.stations["stirring"].model_copy(update={"starts": "together", "batch_wait_s": 300.0})
    stations = {**folder.model.stations, "stirring": plate}
    layout = layout_of(folder.model.model_copy(update={"stations": stations}))
    at_once, paced = (rehearsed(folder, planner, 4, layout).makespan_s for planner in ("random", "gp"))
    assert paced == pytest.approx(at_once, rel=1e-6)


def test_it_takes_hardly_longer_where_steps_take_other_times_than_expected(
    folder: LabFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ratios = []
    for seed in range(4):

        def takes_s(order: StepOrder, seed: int = seed) -> float:
            return order.expected_s * random.Random(f"{seed} {order.label} {order.step}").uniform(0.75, 1.25)  # noqa: S311

        slower = functools.partial(Rehearsal, takes_s=takes_s)
        monkeypatch.setattr(labwright.engine.campaign_plan, "Rehearsal", slower)
        at_once, paced = (rehearsed(folder, planner, 4).makespan_s for planner in ("random", "gp"))
        ratios.append(paced / at_once)
    assert sum(ratios) / len(ratios) < 1.02
    assert max(ratios) < 1.05


class Three:
    """A campaign that may have three samples on their way; its steps are those of `tests.engine.test_core`."""

    def __init__(self, slots: dict[str, int], planner: str = "gp") -> None:
        self.lab = Alone()
        self.running: list[RunStep] = []
        self.asks = 0
        first = started(budget=6, parallel=3).model_copy(update={"slots": slots, "engine": 4})
        spec = first.spec.model_copy(update={"planner": first.spec.planner.model_copy(update={"name": planner})})
        self.take(first.model_copy(update={"spec": spec}))

    def take(self, event: Event) -> None:
        decided = self.lab.handle(event)
        self.running += [one for one in decided if isinstance(one, RunStep)]
        for _ in [one for one in decided if isinstance(one, Ask)]:
            self.asks += 1
            self.take(suggested(self.asks / 10))


def test_a_campaign_of_an_earlier_release_asks_as_soon_as_there_is_room() -> None:
    assert Three({}).asks == 3
    assert Three({"a": 1, "b": 1}, "random").asks == 3


def test_the_planner_is_asked_again_when_the_station_would_have_to_wait() -> None:
    campaign = Three({"a": 1, "b": 1})
    assert campaign.asks == 2
    assert campaign.lab.core.sample_would_wait
    while campaign.asks == 2:
        now = campaign.running.pop(0)
        campaign.take(ended(now, "done", **({"y": 1.0} if now.order.step == "measure" else {})))
    assert len(campaign.lab.core.live) == 2, "the first has ended, and its outcome is known to the planner"


def test_samples_that_wait_for_a_person_keep_no_other_from_being_asked_for() -> None:
    campaign = Three({"a": 1, "b": 1})
    while campaign.asks == 2:
        campaign.take(ended(campaign.running.pop(0), "unknown"))
    core = campaign.lab.core
    assert len(core.live) == 2, "it would only get stuck at the station that the question is about"
    assert core.lost.endswith("a person must answer c-1?1")
    assert not any(one.state == "complete" for one in core.live.values())
    for question in list(core.questions):
        campaign.take(Answered(question=question, answer="again", by="Kim", because="mended"))
    assert (len(core.live), core.lost) == (3, "")
