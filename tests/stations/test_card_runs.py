"""The run of a step that a person does: written once for a signature, with what was read and in which unit."""

from __future__ import annotations

from pathlib import Path

import pytest

from labwright.clock import SteppedClock
from labwright.journal import RunJournal, closed_runs, read_run
from labwright.model.errors import JournalError
from labwright.model.protocol import ChoiceResult, NumberResult, ProtocolResult, StepOrder, StepOutcome
from labwright.stations.card_runs import CardRuns

RESULTS: tuple[ProtocolResult, ...] = (
    NumberResult(name="torque", unit="N.m"),
    ChoiceResult(name="rim", levels=("even", "torn")),
)
ORDER = StepOrder(
    step_id="c/0001/crimp", campaign="c", experiment=1, label="0001", sample="s-1", place="", protocol="p",
    step="crimp", expected_s=60.0, parameters={"x": 1.0},
)  # fmt: skip
UID = "0b1e7f7a-3f0d-5b56-8f6e-0d2f5a3a9d11"
DONE = StepOutcome(
    step_id=ORDER.step_id, state="done", results={"torque": 1.5, "rim": "even", "signed_by": "Kim"}, run_uids=(UID,),
    started_s=10.0, ended_s=70.0,
)  # fmt: skip


def test_a_signature_that_is_taken_once_more_is_one_run(tmp_path: Path) -> None:
    for _ in range(2):  # the second after a crash before the journal said that the first was taken
        runs = CardRuns(RunJournal(tmp_path), {"lab": "l", "simulated": False}, SteppedClock(start=0.0))
        runs.write("bench", ORDER, DONE, RESULTS)
        runs.journal.close()
    (path,) = closed_runs(tmp_path)
    names = [name for name, _ in read_run(path)]
    start, stream, event, stop = (document for _, document in read_run(path))
    assert names == ["start", "descriptor", "event", "stop"]
    assert (start["uid"], start["sample"], start["labwright"]["step"]) == (UID, "s-1", "crimp")
    assert start["labwright"] == {
        "lab": "l", "simulated": False, "station": "bench", "step_id": "c/0001/crimp", "campaign": "c", "experiment": 1,
        "label": "0001", "sample": "s-1", "place": "", "protocol": "p", "step": "crimp", "parameters": {"x": 1.0},
        "lab_time_s": 10.0,
    }  # fmt: skip
    assert {key: one["units"] for key, one in stream["data_keys"].items()} == {
        "result_torque": "N.m", "result_rim": "", "result_signed_by": "",
    }  # fmt: skip
    assert event["data"] == {"result_torque": 1.5, "result_rim": "even", "result_signed_by": "Kim"}
    assert (stop["exit_status"], stop["num_events"]) == ("success", {"results": 1})


def test_what_could_not_be_done_is_a_run_that_has_failed(tmp_path: Path) -> None:
    runs = CardRuns(RunJournal(tmp_path), {}, SteppedClock(start=0.0))
    failed = DONE.model_copy(update={"state": "failed", "results": {}, "error": "Kim could not do it: no press"})
    runs.write("bench", ORDER, failed, RESULTS)
    (path,) = closed_runs(tmp_path)
    assert [name for name, _ in read_run(path)] == ["start", "stop"]
    assert list(read_run(path))[-1][1]["reason"] == "Kim could not do it: no press"


def test_a_run_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    runs = CardRuns(RunJournal(tmp_path / "runs"), {}, SteppedClock(start=0.0))
    (tmp_path / "runs").rmdir()
    with pytest.raises(JournalError):
        runs.write("bench", ORDER, DONE, RESULTS)
