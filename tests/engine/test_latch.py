"""A stop that stays: in the journal, until a named person resets it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labwright.cli.resetting import reset_stop
from labwright.engine.latch import refuse_while_latched, what_waits
from labwright.journal import Journal, NewEvent, journal_file, latch_of, latching, open_latches, schema
from labwright.journal.resetting import Reset
from labwright.model.errors import ConfigError, RefusedError
from labwright.model.latch import WHOLE_LAB, LatchScope, latch_campaign, latch_sample, latch_station


def latched(place: Path, *instruments: str) -> None:
    with Journal(place) as journal:
        journal.control("a test")
        for one in instruments:
            journal.writer.transact(latching(one, "c-1", "Ann", "it smells"))


def test_a_stop_holds_over_a_restart_until_a_named_person_resets_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = journal_file(tmp_path)
    latched(place, "real", "real")
    with Journal(place) as journal:
        assert len(open_latches(journal)) == 1, "a stop of what is stopped is the same stop"
        with pytest.raises(RefusedError) as refused:
            refuse_while_latched(journal, "real")
    assert refused.value.exit_code == 5
    assert re.search(
        r"real instruments were stopped by Ann at 20\S+ \S+ UTC during campaign c-1: it smells", str(refused.value)
    )
    assert f"labwright reset --data {tmp_path} --by NAME --reason TEXT" in str(refused.value)
    for by, reason in (("", "x"), ("Bo", " ")):
        with pytest.raises(ConfigError, match="must name the person and the reason"):
            reset_stop(place, "", by=by, reason=reason, json=False)
    reset_stop(place, "", by="Bo", reason="aired", json=True)
    assert '"stopped_by":"Ann"' in capsys.readouterr().out
    with Journal(place) as journal:
        refuse_while_latched(journal, "real")
        (row,) = journal.rows(schema.latch)
    assert (row["reset_by"], row["reset_because"]) == ("Bo", "aired")
    with pytest.raises(RefusedError, match="nothing to reset"):
        reset_stop(place, "", by="Bo", reason="aired", json=False)


def test_simulated_and_real_instruments_are_stopped_apart(tmp_path: Path) -> None:
    place = journal_file(tmp_path)
    latched(place, "here")
    with Journal(place) as journal:
        refuse_while_latched(journal, "real")
        refuse_while_latched(journal, "/var/endpoints.json")
    latched(place, "real")
    with Journal(place) as journal, pytest.raises(RefusedError, match=r"reset --data .* --instruments real --by"):
        refuse_while_latched(journal, "real")
    with pytest.raises(RefusedError, match=r"(?s)several stops hold.*--instruments here.*--instruments real"):
        reset_stop(place, "", by="Bo", reason="aired", json=False)
    with pytest.raises(ConfigError, match="did you mean 'real'"):
        reset_stop(place, "reel", by="Bo", reason="aired", json=False)
    reset_stop(place, "here", by="Bo", reason="aired", json=False)
    with Journal(place) as journal:
        assert [one.instruments for one in open_latches(journal)] == ["real"]


NARROW = (latch_station("dosing"), latch_campaign("c-2"), latch_sample("c-3", "0007"))


def test_a_narrower_stop_refuses_no_start_and_says_what_waits(tmp_path: Path) -> None:
    place = journal_file(tmp_path)
    with Journal(place) as journal:
        journal.control("a test")
        for scope in (*NARROW, *NARROW):
            journal.writer.transact(latching("real", "c-1", "Ann", "it smells", scope))
        assert [one.scope for one in open_latches(journal)] == list(NARROW), (
            "a stop of what is stopped is the same stop"
        )
        refuse_while_latched(journal, "real")
        assert what_waits(journal, "here") == []
        station, campaign, sample = what_waits(journal, "real")
        assert "station dosing, on the real instruments, was stopped by Ann" in station
        assert "during campaign c-1: it smells. No step starts there until: labwright reset --data" in station
        assert f"--data {tmp_path} --station dosing --by NAME" in station
        assert "campaign c-2, on the real instruments, was stopped" in campaign
        assert "--sample c-3/0007 --by" in sample
        assert "during" not in sample
        assert latch_of(journal, "c-1") is None, "only its station was stopped"
        assert latch_of(journal, "c-3") is None, "only a sample of it was stopped"
        assert (found := latch_of(journal, "c-2")) is not None
        assert found.scope == latch_campaign("c-2")
        journal.writer.transact(latching("real", "c-1", "Bo", "smoke"))
        with pytest.raises(RefusedError, match="smoke"):
            refuse_while_latched(journal, "real")


@pytest.mark.parametrize(
    ("which", "scope"),
    [
        (Reset(station="dosing"), NARROW[0]),
        (Reset(campaign="c-2"), NARROW[1]),
        (Reset(sample="c-3/0007"), NARROW[2]),
        (Reset(sample="0007"), NARROW[2]),
        (Reset(), WHOLE_LAB),
    ],
)
def test_a_reset_lets_go_what_it_names_and_lists_the_rest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], which: Reset, scope: LatchScope
) -> None:
    place = journal_file(tmp_path)
    every = (*NARROW, WHOLE_LAB)
    with Journal(place) as journal:
        journal.control("a test")
        for one in every:
            journal.writer.transact(latching("real", "c-1", "Ann", "it smells", one))
    reset_stop(place, "", by="Bo", reason="aired", json=False, which=which)
    with Journal(place) as journal:
        assert [one.scope for one in open_latches(journal)] == [one for one in every if one != scope]
    shown = capsys.readouterr().err
    assert shown.count("still stopped:") == 3
    reset_stop(place, "", by="Bo", reason="aired", json=False, which=Reset(everything=True))
    with Journal(place) as journal:
        assert open_latches(journal) == []


def test_what_is_not_stopped_is_not_reset(tmp_path: Path) -> None:
    place = journal_file(tmp_path)
    with Journal(place) as journal:
        journal.control("a test")
        for campaign in ("c-3", "c-4"):
            journal.writer.transact(latching("real", "", "Ann", "it leaks", latch_sample(campaign, "0007")))
    refused: list[tuple[Reset, str]] = [
        (Reset(), "no stop of the whole lab holds, only narrower ones"),
        (Reset(station="dosing"), "no stopped station 'dosing'"),
        (Reset(sample="c-3/7"), "did you mean 'c-3/0007'"),
        (Reset(station="dosing", everything=True), "exclude each other"),
    ]
    for which, words in refused:
        with pytest.raises(ConfigError, match=words):
            reset_stop(place, "", by="Bo", reason="aired", json=False, which=which)
    with pytest.raises(RefusedError, match=r"(?s)name the one to reset.*--sample c-3/0007.*--sample c-4/0007"):
        reset_stop(place, "", by="Bo", reason="aired", json=False, which=Reset(sample="0007"))
    with pytest.raises(ConfigError, match="of a latch names campaign, label, not label"):
        LatchScope("sample", label="0007")


def test_a_stop_of_the_lab_is_one_of_every_campaign_that_its_controller_carried_out(tmp_path: Path) -> None:
    """Its controller may die before it has recorded that they end: the next one must not continue any of them."""

    def noted(journal: Journal, campaign: str) -> None:
        journal.record([NewEvent(campaign, "noted", b"{}", b"[]", 0.0, {})])

    with Journal(journal_file(tmp_path)) as journal:
        journal.control("an earlier one", instruments="real")
        noted(journal, "c-0")
        journal.control("a test", instruments="real")
        noted(journal, "c-1")
        noted(journal, "c-2")
        journal.writer.transact(latching("real", "c-1", "Ann", "it smells"))
        noted(journal, "c-3")
        stopped = [one for one in ("c-0", "c-1", "c-2", "c-3") if latch_of(journal, one) is not None]
        assert stopped == ["c-1", "c-2"], "c-0 was interrupted before, c-3 started afterwards"
