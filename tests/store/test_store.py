"""The data store: a real Tiled server, killed on purpose, and nothing is missing."""

import copy
import fcntl
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from bluesky import RunEngine
from bluesky.plans import count
from ophyd.sim import SynAxis, SynSignal

from labwright.journal import RunJournal, closed_runs, read_run
from labwright.journal.runs import encode
from labwright.model.errors import StoreError
from labwright.store import Uploader, open_store, verify

Read = tuple[list[str], dict[str, tuple[Any, int, list[str]]]]

# Third-party deprecations inside Tiled's client and databroker, not ours to mend.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.timeout(300)]


class Sweep:
    """A detector with an array, as the LCR meter has."""

    name = "sweep"
    parent = None

    def read(self) -> dict[str, Any]:
        return {
            "sweep_z": {"value": [1.5, 2.5, 3.25], "timestamp": 1.0},
            "sweep_note": {"value": "fine", "timestamp": 1.0},
        }

    def describe(self) -> dict[str, Any]:
        return {
            "sweep_z": {"source": "test", "dtype": "array", "shape": [3], "dtype_numpy": "<f8", "units": "Ohm"},
            "sweep_note": {"source": "test", "dtype": "string", "shape": []},
        }


def make_runs(folder: Path, number: int) -> list[Path]:
    journal = RunJournal(folder)
    engine: Any = RunEngine({}, context_managers=[])
    engine.subscribe(journal)
    axis = SynAxis(name="axis")
    detector = SynSignal(func=lambda: axis.position, name="detector")
    before = set(closed_runs(folder))
    for _ in range(number):
        engine(count([detector, Sweep()], num=2), labwright={"step": "measure"})
    return [path for path in closed_runs(folder) if path not in before]


def server_pid(store: Path, deadline_s: float = 90) -> int:
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        try:
            return int((store / "url").read_text().split()[1])
        except (FileNotFoundError, IndexError):
            time.sleep(0.05)
    raise AssertionError("the server never announced itself")


@pytest.fixture(scope="module")
def battered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Any]:
    """Runs uploaded while server and uploader were killed, and an uploader that had to begin again."""
    folder = tmp_path_factory.mktemp("store")
    runs, store = folder / "runs", folder / "tiled"
    make_runs(runs, 3)
    uploader = Uploader(runs, store)
    uploader.start()
    os.kill(server_pid(store), signal.SIGKILL)
    for path in make_runs(runs, 2):
        uploader.notify(path)
    assert uploader.pid is not None
    os.kill(uploader.pid, signal.SIGKILL)
    summary = uploader.drain(150)
    return runs, store, summary


@pytest.fixture(scope="module")
def read(battered: tuple[Path, Path, Any]) -> Read:
    """The store opened while an upload holds it: what was said, and each run's start, its rows and its documents."""
    runs, store, _ = battered
    said: list[str] = []
    with (store / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        def told(words: str) -> None:
            said.append(words)
            fcntl.flock(lock, fcntl.LOCK_UN)

        with open_store(store, told) as client:
            found = {}
            for path in closed_runs(runs):
                uid = read_run(path)[0][1]["uid"]
                run = client.v1[uid]
                found[uid] = (run.start, len(run.table()), [name for name, _ in run.documents()])
            assert len(client) == len(found)
    return said, found


def test_nothing_is_missing_after_kills(battered: tuple[Path, Path, Any], read: Read) -> None:
    runs, store, summary = battered
    assert summary.missing == ()
    assert summary.failed == {}
    assert summary.uploaded + summary.already == 5
    assert verify(runs, store).same
    _, found = read
    assert len(found) == 5
    for start, rows, names in found.values():
        assert start["labwright"] == {"step": "measure"}
        assert rows == 2
        assert names[0] == "start"
        assert names[-1] == "stop"


def test_a_reader_says_that_it_waits_for_an_upload_to_end(
    read: Read,
) -> None:
    (words,), _ = read
    assert "waiting until it ends" in words


def test_the_comparison_finds_what_is_missing_different_and_extra(battered: tuple[Path, Path, Any]) -> None:
    runs, store, _ = battered
    (unsent,) = make_runs(runs, 1)
    found = verify(runs, store)
    assert len(found.missing) == found.documents - 5 * 5 == len(read_run(unsent)), "document by document"
    assert not found.different + found.extra + found.unknown_runs
    unsent.unlink()

    path = closed_runs(runs)[1]
    whole = path.read_bytes()
    documents = read_run(path)
    changes: list[tuple[int, Any, str]] = [  # line, what the journal says instead, what is found
        (0, lambda document: document["labwright"].update(step="rinse"), "start labwright"),
        (1, lambda document: document["data_keys"]["sweep_z"].update(units="mOhm"), "descriptor primary sweep_z units"),
        (2, lambda document: document["data"].update(detector=0.1), "event primary 1 detector"),
        (
            2,
            lambda document: document["data"].update(sweep_z=[1.5, 2.5, 3.2500000000000004]),
            "event primary 1 sweep_z",
        ),
        (3, lambda document: document["data"].update(sweep_note="bad"), "event primary 2 sweep_note"),
        (3, lambda document: document["timestamps"].update(sweep_z=1.5), "event primary 2 ts_sweep_z"),
        (4, lambda document: document.update(exit_status="fail"), "stop exit_status"),
    ]
    for line, change, words in changes:
        changed = copy.deepcopy(documents)
        change(changed[line][1])
        path.write_bytes(b"".join(encode(*one) for one in changed))
        found = verify(runs, store)
        assert [one.removeprefix(f"{path.stem} ").partition(":")[0] for one in found.different] == [words]
        assert len(found.different) == 1
        assert not found.missing + found.extra + found.unknown_runs
    path.write_bytes(b"".join(encode(*one) for one in [*documents[:3], documents[4]]))
    assert verify(runs, store).extra == [f"{path.stem} event primary row 2"]
    path.unlink()
    assert verify(runs, store).unknown_runs == [path.stem]
    path.write_bytes(whole)
    assert verify(runs, store).same


def test_a_run_that_cannot_be_uploaded_keeps_no_other_waiting(battered: tuple[Path, Path, Any]) -> None:
    runs, store, _ = battered
    empty = runs / "00000000-empty.jsonl"
    empty.write_bytes(b"")
    (extra,) = make_runs(runs, 1)
    uploader = Uploader(runs, store)
    uploader.start()
    summary = uploader.drain(150)
    empty.unlink()
    assert summary.uploaded == 1
    assert "does not hold a complete run" in summary.failed["00000000-empty"]
    assert summary.missing == ()
    extra.unlink()


def test_a_store_without_a_folder_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "tiled").write_text("a file")
    with pytest.raises(StoreError, match="cannot be used"):
        Uploader(tmp_path / "runs", tmp_path / "tiled").start()


def test_uploading_again_changes_nothing(battered: tuple[Path, Path, Any]) -> None:
    runs, store, _ = battered
    uploader = Uploader(runs, store)
    uploader.start()
    summary = uploader.drain(150)
    assert (summary.uploaded, summary.already, summary.missing) == (0, 5, ())


def test_telling_the_uploader_never_waits(tmp_path: Path) -> None:
    uploader = Uploader(tmp_path / "runs", tmp_path / "tiled")
    uploader.start()
    assert uploader.pid is not None
    os.kill(uploader.pid, signal.SIGSTOP)
    told = threading.Event()

    def tell() -> None:
        for number in range(20_000):  # far more than a pipe holds
            uploader.notify(tmp_path / f"{number:0>64}.jsonl")
        told.set()

    threading.Thread(target=tell, daemon=True).start()
    assert told.wait(30)
    os.kill(uploader.pid, signal.SIGCONT)
    uploader.stop()
