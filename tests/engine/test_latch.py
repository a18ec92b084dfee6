"""A stop that stays: in the journal, until a named person resets it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labwright.cli.resetting import reset_stop
from labwright.engine.latch import refuse_while_latched
from labwright.journal import Journal, journal_file, latching, open_latches, schema
from labwright.model.errors import ConfigError, RefusedError


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


def test_nothing_is_reset_while_the_controller_still_stops(tmp_path: Path) -> None:
    place = journal_file(tmp_path)
    latched(place, "here")
    with Journal(place) as journal:
        journal.control("a test")
        with pytest.raises(RefusedError, match="a controller has just started"):
            reset_stop(place, "", by="Bo", reason="aired", json=False)
