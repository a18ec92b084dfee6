"""`labwright.connect`: a lab that another process serves, from Python; the process is a real one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

import labwright
from labwright.cli.init import make_lab
from labwright.model.errors import ConfigError, RefusedError
from tests.cli.test_serve import rows, serving, until
from tests.forks import python

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labs") / "mine"
    make_lab(folder)
    return folder


def in_a_process(what: str, lab: Path, data: Path) -> None:
    """One process runs one lab, and the tests' own may have another."""
    code = (
        f"import sys\nfrom pathlib import Path\nfrom tests.test_connect import {what}\n{what}(*map(Path, sys.argv[1:]))"
    )
    done = python(code, lab, data, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_a_served_lab_is_used_from_python(lab: Path, tmp_path: Path) -> None:
    in_a_process("use", lab, tmp_path)


def use(lab: Path, tmp_path: Path) -> None:
    served = labwright.connect(lab, data=tmp_path)
    with serving(lab, tmp_path) as controller:
        process = served.status().controller
        assert process is not None
        assert process.pid == controller.pid
        with pytest.raises(ConfigError, match="no campaign 'fisrt'"):
            served.submit("fisrt")
        campaign = served.submit("first", budget=3, planner="random", by="Ann")
        served.pause(campaign, by="Ann", reason="lunch")
        assert [one["state"] for one in served.campaigns()] == ["paused"]
        began_s = time.monotonic()
        seen = list(served.watch(campaign, deadline_s=0.3))
        assert time.monotonic() - began_s < 5
        assert seen[0].kind == "started"
        assert "pause_asked" in [one.kind for one in seen]
        with pytest.raises(RefusedError, match="already paused"):
            served.pause(campaign)
        space = {"temperature": 41.0}
        with pytest.raises(ConfigError):
            served.suggest(campaign, {"temperature": 4100.0}, by="Ann", reason="a guess")
        assert served.suggest(campaign, space, by="Ann", reason="a guess") == "p1"
        served.veto(campaign, "p1", by="Bo", reason="no")
        with pytest.raises(RefusedError, match="its budget is 3 experiments already"):
            served.extend(campaign, budget=3, by="Ann", reason="it still rises")
        served.extend(campaign, budget=4, by="Ann", reason="it still rises")
        served.resume(campaign)
        kinds = [one.kind for one in served.watch(campaign, after=seen[-1].id)]
        assert [one for one in kinds if one in ("proposed", "vetoed", "extended", "resume_asked")] == [
            "proposed",
            "vetoed",
            "extended",
            "resume_asked",
        ]
        ended = served.campaigns()[-1]
        assert (ended["state"], ended["tried"], ended["budget"]) == ("completed", 4, 4)
        served.extend(campaign, budget=5, by="Ann", reason="it has run out, and still rises")
        kinds = [one.kind for one in served.watch(campaign, after=ended["last_event"])]
        assert kinds[:3] == ["extended", "resumed", "suggested"]
        ended = served.campaigns()[-1]
        assert (ended["state"], ended["tried"], ended["budget"]) == ("completed", 5, 5)


def test_a_stop_and_a_question_are_dealt_with_from_python(lab: Path, tmp_path: Path) -> None:
    in_a_process("stop_and_answer", lab, tmp_path)


def stop_and_answer(lab: Path, tmp_path: Path) -> None:
    served = labwright.connect(lab, data=tmp_path)
    with serving(lab, tmp_path):
        campaign = served.submit("first", budget=1, planner="random")
        until(lambda: rows(tmp_path, "SELECT 1 FROM intent"))
        served.stop(station="heating", reason="a spill", by="Ann")
        until(lambda: served.questions)
        (question,) = served.questions
        assert [one.because for one in served.status().latches] == ["a spill"]
        with pytest.raises(ConfigError, match="--by and --reason"):
            served.reset(by="", reason="", station="heating")
        served.reset(by="Bo", reason="wiped up", station="heating")
        assert served.answer(question.id, "again", by="Bo", reason="wiped up"), "it takes effect at once"
        assert list(served.watch(campaign))
        served.stop(reason="the end", by="Ann")
        served.reset(by="Ann", reason="nothing ran")
    assert served.status().controller is None
    with pytest.raises(RefusedError, match="no controller runs"):
        served.submit("first")
