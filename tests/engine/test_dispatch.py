"""Who gets which station, position and device: what is right between samples and campaigns, one thing at a time."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from labwright.engine import validate_state
from labwright.engine.dispatch import OVERTAKEN, Waiting
from labwright.engine.events import Answered, DeckChecked, Resumed, SampleStopAsked, Started, StopAsked
from labwright.engine.snapshots import dumped
from labwright.lab import read_lab
from labwright.model.errors import ConfigError
from labwright.model.protocol import NumberResult, ProtocolSpec, StepSpec
from labwright.stations import LabProtocol
from labwright.stations.catalogue import make_protocol
from tests.engine.test_lab_machine import SHARED, ManyCampaigns, own_view, protocols, started
from tests.engine.test_machine import PROTOCOL
from tests.engine.test_ways import THERE_AND_BACK

ROOT = Path(__file__).parents[2]


def way(*steps: StepSpec) -> ProtocolSpec:
    """A protocol of these steps, one after the other."""
    chained = [steps[0], *(b.model_copy(update={"needs": (a.name,)}) for a, b in itertools.pairwise(steps))]
    results = (NumberResult(name="y", unit="1"),)
    return ProtocolSpec(name="p", version="1", title="P", parameters=(), results=results, steps=tuple(chained))


def move(name: str, position: str = "", station: str = "arm", **more: Any) -> StepSpec:
    return StepSpec(name=name, station=station, expected_s=1, moves_to=position, leaves=not position, **more)


def work(name: str, station: str, **more: Any) -> StepSpec:
    return StepSpec(name=name, station=station, **{"expected_s": 1, **more})


class Rehearsal(ManyCampaigns):
    """Steps end after their expected time, planners answer at once."""

    def __init__(self, *first: Started) -> None:
        super().__init__()
        self.now_s = 0.0
        self._ends: list[tuple[float, int, str]] = []
        self._numbers = itertools.count()
        for event in first:
            self.feed(event.campaign, event)
            self.answer()

    def answer(self) -> None:
        for core in self.lab.campaigns.values():
            while core.asking:
                self.suggest(core.campaign)

    def next(self) -> bool:
        """The next step ends; whether one ran."""
        known = {step_id for _, _, step_id in self._ends}
        for step_id in self.running:
            if step_id not in known:
                heapq.heappush(self._ends, (self.now_s + self._takes_s(step_id), next(self._numbers), step_id))
        if not self._ends:
            return False
        self.now_s, _, step_id = heapq.heappop(self._ends)
        self.end(step_id)
        self.answer()
        validate_state(self.lab)
        return True

    def _takes_s(self, step_id: str) -> float:
        return self.lab.work.find(step_id)[1].spec.expected_s

    def run(self) -> float:
        """Until nothing runs any more; lab seconds."""
        while self.next():
            pass
        return self.now_s

    def phases(self) -> list[str]:
        return [core.phase for core in self.lab.campaigns.values()]

    def waits(self, campaign: str) -> list[str]:
        return [str(one) for one in self.lab.dispatcher.waits(campaign)]


def test_samples_whose_ways_return_end() -> None:
    lab = Rehearsal(started("c0", THERE_AND_BACK, parallel=3, budget=6))
    lab.run()
    assert lab.phases() == ["completed"]


def test_two_campaigns_whose_ways_cross_end() -> None:
    there = way(move("s0", "a"), work("s1", "mixer"), move("s2", "b"), work("s3", "oven"), move("out"))
    back = way(move("s0", "b"), work("s1", "oven"), move("s2", "a"), work("s3", "mixer"), move("out"))
    lab = Rehearsal(started("c0", there, parallel=2), started("c1", back, parallel=2))
    assert lab.waits("c1") == ["c1/0001/s0 for station arm, which c0/0001/s0 has", *lab.waits("c1")[1:]]
    lab.next()
    assert "c1/0001/s0 for position b, which c0/0001 still has to pass: the two would block each other" in lab.waits(
        "c1"
    )
    lab.run()
    assert lab.phases() == ["completed", "completed"]


@pytest.mark.parametrize("parallel", [1, 2, 4, 14])
def test_where_all_go_one_way_no_step_begins_later_than_by_first_come(parallel: int) -> None:
    for protocol in (PROTOCOL, REFERENCE):
        begun = []
        for engine in (1, 2):
            event = started("c0", _finding(protocol), engine=engine, parallel=parallel, budget=parallel + 4)
            lab = Rehearsal(event.model_copy(update={"shared": {}}))
            begun.append((lab.run(), lab.begun))
        assert begun[0] == begun[1]


REFERENCE = way(
    move("to_balance", "balance"),
    work("dose", "dosing", expected_s=140),
    move("to_plate", "plate_1"),
    work("stir", "stirring", expected_s=300),
    work("rinse", "impedance", expected_s=30, keeps=("cell",)),
    move("to_cell", "cell"),
    work("measure", "impedance", expected_s=250),
    move("discard"),
)
"""As the reference protocol was when it carried its samples itself."""


def _finding(protocol: ProtocolSpec) -> ProtocolSpec:
    return protocol.model_copy(update={"results": (NumberResult(name="y", unit="1"),)})


def test_a_shared_device_is_a_samples_until_its_last_step_that_uses_it() -> None:
    look = work("look", "meter", expected_s=5)
    protocol = way(move("s0", "a"), work("stir", "mixer"), move("s2", "b"), look, move("out"))
    lab = Rehearsal(started("c0", protocol, parallel=1, budget=1), started("c1", protocol, parallel=1, budget=1))
    while "c1/0001/s0" not in lab.running:
        lab.next()
    lab.next()
    assert lab.waits("c1") == ["c1/0001/stir for device plate, which c0/0001 has"]
    assert lab.lab.dispatcher.waits("c1") == [Waiting("c1/0001/stir", "c1", "0001", "device", "plate", "c0", "0001")]
    while "c0/0001/out" not in lab.running:
        assert "c1/0001/stir" not in lab.begun
        lab.next()
    assert "c1/0001/stir" in lab.begun, "the last step that uses it has ended"
    lab.run()
    assert lab.phases() == ["completed", "completed"]


def test_a_device_can_be_kept_from_before_the_first_step_that_uses_it() -> None:
    keeps = move("s0", "a", keeps=("plate",))
    protocol = way(keeps, work("stir", "mixer"), move("out"))
    lab = Rehearsal(started("c0", protocol, parallel=2, budget=2))
    lab.next()
    assert lab.waits("c0")[0].startswith("c0/0002/s0 for position a, which 0001 has")
    assert "device:plate" in lab.lab.reservations.taken
    lab.run()
    assert not lab.lab.reservations.taken


def test_what_is_kept_must_be_a_position_or_a_device_of_several_stations() -> None:
    folder = read_lab(ROOT)
    made = type(make_protocol(folder, "electrolyte_conductivity"))
    first, *rest = made.steps

    def keeping(*names: str) -> LabProtocol:
        steps = (first.model_copy(update={"keeps": names}), *rest)
        changed: type[LabProtocol] = type("Changed", (made,), {"steps": steps})
        return changed(folder.model)

    for name, words in (("balance_2", "no position or shared device"), ("lcr", "which not two stations have")):
        with pytest.raises(ConfigError, match=words):
            keeping(name).check_fits()
    keeping("hotplate", "cell").check_fits()


SHORT = way(work("s0", "mixer"), work("s1", "oven"))


def test_the_higher_priority_comes_first_then_the_older_sample() -> None:
    lab = Rehearsal(started("c0", SHORT, parallel=2, budget=2), started("c1", SHORT, parallel=2, budget=2, priority=1))
    lab.run()
    first = [one for one in lab.begun if one.endswith("s0")]
    assert first == ["c0/0001/s0", "c1/0001/s0", "c1/0002/s0", "c0/0002/s0"]


@pytest.mark.parametrize("order", [("c0", "c1", "c2"), ("c2", "c0", "c1")])
def test_what_is_granted_does_not_depend_on_the_order_of_dictionaries(order: Sequence[str]) -> None:
    lab, other = (
        Rehearsal(*(started(f"c{number}", SHORT, parallel=2, budget=3, priority=number % 2) for number in range(3)))
        for _ in range(2)
    )
    for live in (other.lab.campaigns, other.lab.work.live):
        kept: dict[str, Any] = dict(live)
        live.clear()
        live.update({key: kept[key] for key in order})
    for one in (lab, other):
        while one.running:
            one.end(min(one.running))
            for campaign in ("c0", "c1", "c2"):
                while one.lab.campaigns[campaign].asking:
                    one.suggest(campaign)
    assert lab.begun == other.begun


def test_a_sample_that_must_let_another_pass_keeps_its_turn() -> None:
    """0001 of c1 would be in the way of c0 and waits; c2, which is younger, must not take its place again and again."""
    there = way(move("s0", "a"), work("s1", "mixer", expected_s=50), move("s2", "b"), move("out"))
    back = way(move("s0", "b", "robot"), work("s1", "oven"), move("s2", "a", "robot"), move("out", "", "robot"))
    short = way(move("s0", "b", "robot"), work("s1", "oven"), move("out", "", "robot"))
    lab = Rehearsal(
        started("c0", there, budget=1), started("c1", back, budget=1), started("c2", short, budget=3),
    )  # fmt: skip
    assert lab.waits("c2") == ["c2/0001/s0 for station robot, which is kept for c1/0001, which has waited longer"]
    lab.run()
    assert lab.phases() == ["completed"] * 3
    assert lab.begun.index("c1/0001/s0") < lab.begun.index("c2/0001/s0")


def test_a_sample_that_needs_two_things_is_not_passed_for_ever() -> None:
    """Others have now the one, now the other; after so many have begun, both are kept for it."""
    both = way(work("s0", "mixer", keeps=("a",)), move("out"))
    one = way(work("s0", "mixer", expected_s=3), work("s1", "oven"))
    other = way(work("s0", "arm", expected_s=3, keeps=("a",)), move("out"))
    lab = Rehearsal(
        *(started("c1", one, budget=40, parallel=2), started("c2", other, budget=40, parallel=2)),
        started("c0", both, budget=1),
    )
    lab.run()
    before = lab.begun[: lab.begun.index("c0/0001/s0")]
    assert len({step_id.rsplit("/", 1)[0] for step_id in before}) <= OVERTAKEN + 8


def test_a_container_that_was_left_in_the_way_of_another_campaign_is_asked_for() -> None:
    protocol = way(move("s0", "a"), work("s1", "mixer"), move("out"))
    lab = Rehearsal(started("c0", protocol, budget=1), started("c1", protocol, budget=1))
    lab.next()
    lab.feed("c0", StopAsked(why="enough"))
    lab.run()
    assert lab.phases() == ["stopped", "draining"]
    (question,) = lab.lab.work.questions.open.values()
    assert question.text == (
        "sample c1-0001 waits for position a, where the container of c0/0001 was left; take it out"
    )
    assert dumped(lab.replayed(), whole=True) == dumped(lab.lab, whole=True)
    lab.feed("c1", Answered(question=question.id, answer="removed", by="Kim", because="looked"))
    lab.run()
    assert lab.phases() == ["stopped", "completed"]
    assert not lab.lab.reservations.taken


@pytest.mark.parametrize("how", ["stopped", "failed"])
def test_a_gripper_that_may_be_full_carries_nothing_before_a_person_has_looked(how: str) -> None:
    """A sample was stopped while it was carried, or its carrying failed and it is given up: the arm is no other's."""
    protocol = way(move("s0", "a", on_failure="abandon"), work("s1", "mixer"), move("out", always=True))
    lab = Rehearsal(started("c0", protocol, budget=1), started("c1", protocol, budget=1))
    assert list(lab.running) == ["c0/0001/s0"]
    if how == "stopped":
        lab.feed("c0", SampleStopAsked(label="0001", why="it drips", now=True, by="Kim"))
    lab.end("c0/0001/s0", how)
    lab.answer()
    validate_state(lab.lab)
    assert lab.begun == ["c0/0001/s0"], "the arm was given to another with a container in its gripper"
    (question,) = lab.lab.work.questions.open.values()
    assert (question.owner, list(question.choices)) == ("c0", ["removed"])
    assert "it may be in the gripper" in question.text
    assert dumped(lab.replayed(), whole=True) == dumped(lab.lab, whole=True)
    lab.feed("c0", Answered(question=question.id, answer="removed", by="Kim", because="took it out"))
    lab.run()
    assert lab.lab.campaigns["c1"].phase == "completed"
    assert not lab.lab.reservations.taken


def test_what_another_campaign_had_taken_away_is_free_to_a_campaigns_own_events_too() -> None:
    """A campaign's events alone rebuild it, also where the person who cleared its way answered another campaign."""
    protocol = way(move("s0", "a", on_failure="abandon"), work("s1", "mixer"), move("out"))
    lab = Rehearsal(started("c0", protocol, budget=3), started("c1", protocol, budget=1))
    lab.end("c0/0001/s0", "failed")
    lab.answer()
    (question,) = lab.lab.work.questions.open.values()
    assert question.owner == "c1", "the container of c0 is in the way of c1"
    lab.feed("c1", Answered(question=question.id, answer="removed", by="Kim", because="took it out"))
    lab.run()
    assert lab.phases() == ["completed", "completed"]
    for campaign in ("c0", "c1"):
        assert own_view(lab.replayed(campaign), campaign) == own_view(lab.lab, campaign)


def test_a_deck_that_a_person_has_looked_at_is_free() -> None:
    protocol = way(move("s0", "a"), work("s1", "mixer"), move("out"))
    lab = Rehearsal(started("c0", protocol, budget=1))
    lab.next()
    lab.feed("c0", StopAsked(why="enough"))
    lab.run()
    assert list(lab.lab.reservations.taken) == ["position:a"]
    lab.feed("c0", DeckChecked(question="c0:deck", answer="as_in_files", by="Kim", because="looked"))
    assert not lab.lab.reservations.taken


def test_samples_that_block_each_other_since_before_are_told_to_a_person() -> None:
    """Engine 1 let two samples go where each waits for the other; what resumes it asks which to take out."""
    lab = Rehearsal(started("c0", THERE_AND_BACK, parallel=2, budget=2, engine=1))
    while lab.running:
        lab.end(min(lab.running))
        lab.answer()
    with pytest.raises(AssertionError, match="deadlock"):
        validate_state(lab.lab)
    lab.feed("c0", Resumed(epoch=2, shared=SHARED, engine=2))
    validate_state(lab.lab)
    (question,) = lab.lab.work.questions.open.values()
    assert question.text.startswith("sample c0-0002 and others wait for what the other has, so none can go on")
    assert dumped(lab.replayed(), whole=True) == dumped(lab.lab, whole=True)
    lab.feed("c0", Answered(question=question.id, answer="removed", by="Kim", because="looked"))
    lab.run()
    assert lab.phases() == ["completed"]
    assert {one for one in lab.begun if one.endswith("/out")} == {"c0/0001/out"}, "the other was taken out by hand"


@settings(max_examples=50, deadline=None)
@given(protocols())
def test_no_protocol_blocks_itself(protocol: ProtocolSpec) -> None:
    """So there is none to be refused at the door: alone in the lab each comes to its end, one sample or several."""
    for parallel in (1, 3):
        lab = Rehearsal(started("c0", protocol, parallel=parallel, budget=3))
        lab.run()
        assert lab.phases() == ["completed"]


def test_devices_are_shared_anew_when_another_release_resumes() -> None:
    protocol = way(move("s0", "a"), work("stir", "mixer"), move("s2", "b"), work("look", "meter"), move("out"))
    lab = Rehearsal(started("c0", protocol, engine=1, budget=1))
    lab.next()
    assert "device:plate" not in lab.lab.reservations.taken
    lab.crash()
    assert lab.lab.reservations.taken["device:plate"].label == "0001", "it is being used"
    lab.run()
    assert lab.phases() == ["completed"]
