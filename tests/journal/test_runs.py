"""The run journal: every document, whatever happens."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bluesky import RunEngine
from bluesky.plans import count
from hypothesis import given
from hypothesis import strategies as st
from ophyd.sim import SynGauss, motor

from labwright.journal.runs import RunJournal, closed_runs, decode, encode, find_run, read_run, recover
from labwright.model.errors import JournalError

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)

START: dict[str, Any] = {"uid": "r1", "time": 1.0}
DESCRIPTOR: dict[str, Any] = {"uid": "d1", "run_start": "r1", "time": 1.5, "name": "primary", "data_keys": {}}


def event(number: int) -> dict[str, Any]:
    return {"uid": f"e{number}", "descriptor": "d1", "seq_num": number, "time": 2.0 + number, "data": {"x": number / 7}}


@given(JSON)
def test_any_json_survives(value: Any) -> None:
    assert decode(encode("event", {"value": value})) == ("event", {"value": value})


@given(st.binary(min_size=1, max_size=3), st.integers(0, 40))
def test_a_changed_byte_is_noticed(garbage: bytes, at: int) -> None:
    line = encode("event", event(1))
    damaged = line[:at] + garbage + line[at + len(garbage) :]
    if damaged != line:
        with pytest.raises(ValueError, match=r"line|checksum|invalid"):
            decode(damaged)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), np.array([1.0, np.nan]), [1.0, [float("-inf")]]])
def test_what_is_no_number_is_refused_in_words(tmp_path: Path, bad: Any) -> None:
    journal = RunJournal(tmp_path)
    journal("start", START)
    journal("descriptor", DESCRIPTOR)
    with pytest.raises(JournalError, match=r"data\.x"):
        journal("event", {**event(1), "data": {"x": bad}})
    journal.close()


def test_arrays_are_kept_as_lists(tmp_path: Path) -> None:
    name, document = decode(encode("event", {"data": {"x": np.array([1.5, 2.5])}}))
    assert (name, document) == ("event", {"data": {"x": [1.5, 2.5]}})


def engine(journal: RunJournal) -> Any:
    run_engine: Any = RunEngine({}, context_managers=[])
    run_engine.subscribe(journal)
    return run_engine


def test_a_real_run_engine_leaves_a_closed_run(tmp_path: Path) -> None:
    journal = RunJournal(tmp_path)
    detector = SynGauss("det", motor, "motor", center=0, Imax=1, sigma=1)
    engine(journal)(count([detector], num=3))
    (path,) = closed_runs(tmp_path)
    names = [name for name, _ in read_run(path)]
    assert names == ["start", "descriptor", "event", "event", "event", "stop"]
    assert recover(tmp_path) == []


def test_a_full_disk_aborts_the_run_and_keeps_what_was_written(tmp_path: Path) -> None:
    journal = RunJournal(tmp_path)
    detector = SynGauss("det", motor, "motor", center=0, Imax=1, sigma=1)
    seen: list[str] = []

    class Filling:
        """Lets the disk fill up after the third document: the kernel itself then refuses to write."""

        def __call__(self, name: str, document: dict[str, Any]) -> None:
            seen.append(name)
            size = sum(path.stat().st_size for path in tmp_path.iterdir())
            if len(seen) == 4:
                resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, before[1]))
            journal(name, document)

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with pytest.raises(JournalError, match="the disk is full"):
            engine(Filling())(count([detector], num=5))  # type: ignore[arg-type]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    (recovered,) = recover(tmp_path)
    assert recovered.documents == 3
    assert recovered.lost_bytes > 0
    assert [name for name, _ in read_run(tmp_path / f"{recovered.uid}.jsonl")] == [
        "start",
        "descriptor",
        "event",
        "stop",
    ]


def test_every_torn_tail_is_cut_and_nothing_else(tmp_path: Path) -> None:
    whole = [
        encode("start", START),
        encode("descriptor", DESCRIPTOR),
        encode("event", event(1)),
        encode("event", event(2)),
    ]
    kept = b"".join(whole[:-1])
    for length in range(len(whole[-1])):
        folder = tmp_path / str(length)
        folder.mkdir()
        (folder / "r1.open.jsonl").write_bytes(kept + whole[-1][:length])
        (recovered,) = recover(folder)
        assert (recovered.documents, recovered.lost_bytes) == (3, length)
        documents = read_run(folder / "r1.jsonl")
        assert documents[:3] == [("start", START), ("descriptor", DESCRIPTOR), ("event", event(1))]
        stop = documents[3][1]
        assert stop["reason"] == "controller crashed; journal recovered"
        assert stop["num_events"] == {"primary": 1}


def test_recovering_gives_the_same_stop_every_time(tmp_path: Path) -> None:
    stops = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "r1.open.jsonl").write_bytes(encode("start", START))
        recover(folder)
        assert recover(folder) == []
        stops.append(read_run(folder / "r1.jsonl")[-1])
    assert stops[0] == stops[1]


def test_damage_in_the_middle_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "r1.jsonl"
    path.write_bytes(encode("start", START) + b"garbage\n" + encode("stop", {"uid": "s"}))
    with pytest.raises(JournalError, match=r"r1\.jsonl:2: "):
        read_run(path)


CHILD = """
import sys, time
from pathlib import Path
from labwright.journal.runs import RunJournal
journal = RunJournal(Path(sys.argv[1]))
journal("start", {"uid": "r1", "time": 1.0})
journal("descriptor", {"uid": "d1", "run_start": "r1", "time": 1.5, "name": "primary", "data_keys": {}})
number = 0
while True:
    number += 1
    journal("event", {"uid": f"e{number}", "descriptor": "d1", "seq_num": number, "time": 2.0, "data": {"x": number}})
    print(number, flush=True)
"""


def test_kill_9_loses_nothing_that_was_written(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    told = [int(child.stdout.readline()) for _ in range(20)]
    assert recover(tmp_path) == [], "a run that is being written is not touched"
    os.kill(child.pid, signal.SIGKILL)
    told += [int(line) for line in child.stdout if line.endswith("\n") and line.strip()]
    child.wait(10)
    child.stdout.close()
    (recovered,) = recover(tmp_path)
    kept = [document["seq_num"] for name, document in read_run(tmp_path / "r1.jsonl") if name == "event"]
    assert kept[: len(told)] == told
    assert recovered.documents == 2 + len(kept)


def written(folder: Path, uid: str, time_s: float, scan_id: int) -> Path:
    path = folder / f"{uid}.jsonl"
    path.write_bytes(encode("start", {"uid": uid, "time": time_s, "scan_id": scan_id}) + encode("stop", {"uid": "s"}))
    return path


def test_the_order_of_runs_is_that_of_their_start_documents(tmp_path: Path) -> None:
    """A copy, a restored backup or a checkout gives files other times and another order in the folder."""
    at = 1_795_716_339.25
    expected = [written(tmp_path, uid, at + 60 * hour, 1) for hour, uid in enumerate(("c", "a", "d", "b"))]
    expected += [written(tmp_path, uid, at + 600, number) for number, uid in enumerate(("z", "y", "x"), 1)]
    for age, path in enumerate(expected):  # the oldest run has the youngest file
        os.utime(path, (1e9 - age, 1e9 - age))
    assert closed_runs(tmp_path) == expected
    assert find_run(tmp_path, "d") == expected[2]
    (tmp_path / "torn.jsonl").write_bytes(b"no document\n")
    assert closed_runs(tmp_path) == [tmp_path / "torn.jsonl", *expected], "it is listed, and never the newest"


def test_runs_left_open_are_closed_in_their_order(tmp_path: Path) -> None:
    for age, uid in enumerate(("b", "c", "a")):
        (tmp_path / f"{uid}.open.jsonl").write_bytes(encode("start", {"uid": uid, "time": 1.0 + age}))
    assert [one.uid for one in recover(tmp_path)] == ["b", "c", "a"]
