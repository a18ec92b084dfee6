"""Snapshots of a lab's core: that none forgets anything, and that what cannot be read is not guessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from labwright.engine import CampaignCore, LabCore
from labwright.engine.events import Started
from labwright.engine.snapshots import CORE, ELSEWHERE, UnreadableSnapshotError, dumped, loaded
from labwright.model.campaign import Trial
from tests.engine.test_lab_machine import ManyCampaigns, started
from tests.engine.test_machine import PROTOCOL


def begun() -> tuple[ManyCampaigns, Started]:
    """A lab with a campaign of which an experiment is settled, and another under way."""
    many, first = ManyCampaigns(), started("c", PROTOCOL)
    many.feed("c", first)
    while many.lab.campaigns["c"].tried < 2:
        assert many.patiently(suggesting=True)
    return many, first


def read(state: bytes, first: Started, trials: Sequence[Trial]) -> LabCore:
    return loaded(state, lambda campaign: first, lambda campaign, number: trials[:number])


def test_no_attribute_of_a_core_is_forgotten() -> None:
    lab = LabCore()
    assert set(vars(CampaignCore("c", lab.dispatcher))) == CORE.names | set(ELSEWHERE)
    in_a_snapshot = {"now_s", "instruments", "turns", "campaigns", "work"}
    assert set(vars(lab)) == in_a_snapshot | {"dirty", "dispatcher", "attended", "_wake_s"}


def test_settled_trials_stay_in_their_table() -> None:
    many, first = begun()
    state = dumped(many.lab)
    kept = orjson.loads(state)["campaigns"]["c"]
    assert kept["trials"] == 2
    assert list(kept["unsettled"]) == ["1"], "of the experiment that is under way"
    again = read(state, first, many.lab.campaigns["c"].trials)
    assert dumped(again, whole=True) == dumped(many.lab, whole=True)


def test_what_other_code_or_an_accident_has_left_is_not_read() -> None:
    many, first = begun()
    state, trials = dumped(many.lab), many.lab.campaigns["c"].trials
    changes: list[dict[str, Any]] = [{"format": 0}, {"code": "another"}, {"work": {}}, {"campaigns": {"c": {}}}]
    for change in changes:
        with pytest.raises(UnreadableSnapshotError):
            read(orjson.dumps({**orjson.loads(state), **change}), first, trials)
    with pytest.raises(UnreadableSnapshotError, match="damaged"):
        read(state[:-5], first, trials)


def test_trials_that_the_table_does_not_have_as_they_were_are_not_guessed() -> None:
    many, first = begun()
    state, trials = dumped(many.lab), many.lab.campaigns["c"].trials
    with pytest.raises(UnreadableSnapshotError, match="had 2 trials, the table has 0"):
        read(state, first, [])
    running = trials[0].model_copy(update={"status": "running"})
    with pytest.raises(UnreadableSnapshotError, match="trial 1 of the table is not settled"):
        read(state, first, [running, trials[1]])


def test_what_a_campaign_had_is_free_when_it_is_left_out() -> None:
    many, first = begun()
    state = dumped(many.lab)
    assert many.lab.reservations.taken
    lab = loaded(state, lambda campaign: first, lambda campaign, number: (), only=())
    assert lab.campaigns == {}
    assert lab.reservations.taken == {}
    assert lab.work.live == {}


def test_a_wake_up_after_which_nothing_is_recorded_changes_nothing() -> None:
    many, _ = begun()
    before = dumped(many.lab, whole=True)
    assert many.lab.grant(many.lab.now_s + 1000) == []
    assert dumped(many.lab, whole=True) == before
