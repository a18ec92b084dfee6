"""A planner in a process of its own: the same answers, and what becomes of an ask whose process dies or hangs."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from labwright.model.campaign import CampaignState, PlannerSpec, Suggestion, Trial
from labwright.model.errors import PlannerError
from labwright.model.space import Between, Forbidden
from labwright.planners import BUILT_IN, Answer, PlannerWorker, load_planner
from labwright.planners import worker as module
from labwright.planners._wire import Ask, Reply, write_line
from tests.planners.conftest import new_state, run, with_trial

Make = Callable[..., PlannerWorker]
PATIENCE_S = 60.0  # for a busy machine; all of it is only waited for when a test fails


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[PlannerWorker] = []

    def make(name: str = "random", **settings: Any) -> PlannerWorker:
        made.append(PlannerWorker(PlannerSpec(name=name), **settings))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


class Wire:
    """What was sent to worker processes, and what is done to them then."""

    def __init__(self) -> None:
        self.sent: list[Ask | Reply] = []
        self.bytes: list[int] = []
        self.pids: list[int] = []
        self.then: Callable[[int], None] = lambda pid: None

    def watch(self, worker: PlannerWorker, monkeypatch: pytest.MonkeyPatch) -> None:
        def watched(fd: int, message: Ask | Reply) -> None:
            self.sent.append(message)
            self.bytes.append(len(message.model_dump_json()))
            pid = worker.pid
            assert pid is not None
            self.pids.append(pid)
            write_line(fd, message)
            self.then(pid)

        monkeypatch.setattr(module, "write_line", watched)

    def starts(self) -> int:
        return sum(isinstance(message, Ask) and message.campaign is not None for message in self.sent)


def asked(worker: PlannerWorker, state: CampaignState, n: int = 1) -> Answer:
    answers: list[Answer] = []
    there = threading.Event()

    def answered(answer: Answer) -> None:
        answers.append(answer)
        there.set()

    worker.ask(state, n, answered)
    assert there.wait(PATIENCE_S)
    assert len(answers) == 1
    assert answers[0].seconds > 0
    return answers[0]


def here(state: CampaignState, n: int = 1) -> list[str]:
    return written(load_planner(state.planner).ask(state, n))


def written(suggestions: list[Suggestion] | tuple[Suggestion, ...]) -> list[str]:
    return [suggestion.model_dump_json() for suggestion in suggestions]


def gone(pidfd: int) -> bool:
    """Wait for the end of a process; a zombie counts."""
    try:
        return bool(select.select([pidfd], [], [], PATIENCE_S)[0])
    finally:
        os.close(pidfd)


def many(name: str, count: int) -> CampaignState:
    state = new_state(name)
    points = load_planner(PlannerSpec(name="random")).ask(state, count)
    trials = [
        Trial(id=f"t{number}", params=point.params, status="running", rationale=point.rationale)
        for number, point in enumerate(points)
    ]
    return state.model_copy(update={"trials": tuple(trials)})


@pytest.mark.parametrize("name", BUILT_IN)
def test_answers_are_those_of_the_planner_in_this_process(name: str, make: Make) -> None:
    worker = make(name)
    state = run(new_state("sobol", seed=2**70), 7)  # a seed no 64-bit number holds
    state = state.model_copy(update={"planner": PlannerSpec(name=name)})
    assert written(asked(worker, state, 2).suggestions) == here(state, 2)
    # One that runs, one that is done in the middle, and a weighed composition come later.
    state = with_trial(state, params={"salt": 1.0, "carbonate": 0.4, "share": 0.5}, status="running")
    weighed = state.trials[3].model_copy(update={"measured_params": {"salt": 1 / 3}})
    state = state.model_copy(update={"trials": (*state.trials[:3], weighed, *state.trials[4:])})
    assert written(asked(worker, state, 3).suggestions) == here(state, 3)
    shorter = state.model_copy(update={"trials": state.trials[1:]})
    assert written(asked(worker, shorter).suggestions) == here(shorter)
    another = state.model_copy(update={"seed": 3})
    assert written(asked(worker, another).suggestions) == here(another)


def test_an_ask_sends_only_what_is_new(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, wire = make(), Wire()
    wire.watch(worker, monkeypatch)
    state = many("random", 2000)
    asked(worker, state)
    ended = state.trials[1234].model_copy(update={"status": "abandoned"})
    state = state.model_copy(update={"trials": (*state.trials[:1234], ended, *state.trials[1235:])})
    state = with_trial(state, params={"salt": 1.0, "carbonate": 0.4, "share": 0.5}, status="proposed")
    assert written(asked(worker, state).suggestions) == here(state)
    # As from a journal: equal trials, but other objects.
    state = CampaignState.model_validate_json(state.model_dump_json())
    assert written(asked(worker, state).suggestions) == here(state)
    assert wire.starts() == 1
    assert wire.bytes[0] > 200_000
    assert wire.bytes[1] < 1000
    assert wire.bytes[2] < 100


def test_one_that_is_killed_while_it_computes_is_asked_again(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, wire = make("gp"), Wire()
    wire.watch(worker, monkeypatch)
    wire.then = lambda pid: os.kill(pid, signal.SIGKILL) if len(wire.sent) == 1 else None
    state = run(new_state("gp"), 8)
    answer = asked(worker, state)
    assert answer.error == ""
    assert written(answer.suggestions) == here(state)
    assert wire.starts() == 2
    assert wire.bytes[0] == wire.bytes[1], "the new process is told everything"


def test_one_that_always_dies_is_given_up_in_words(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, wire = make("sobol"), Wire()
    wire.watch(worker, monkeypatch)
    wire.then = lambda pid: os.kill(pid, signal.SIGKILL)
    answer = asked(worker, new_state("sobol"))
    assert answer.suggestions == ()
    assert answer.error.startswith("planner 'sobol': no answer in 3 tries: its process was killed by SIGKILL")
    assert "Use another planner" in answer.error
    assert wire.starts() == 3
    wire.then = lambda pid: None
    assert asked(worker, new_state("sobol")).error == "", "the next ask is a new beginning"


def test_a_crash_is_told_with_its_last_words(make: Make) -> None:
    state = with_trial(new_state("random"), params={"salt": 1.0}, status="running")  # no copy is validated
    error = asked(make(), state).error
    assert "ended with exit code 1" in error
    assert "KeyError: 'carbonate'" in error


def test_one_that_hangs_is_killed_and_asked_again(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, wire = make(deadline_s=3.0), Wire()
    wire.watch(worker, monkeypatch)
    wire.then = lambda pid: os.kill(pid, signal.SIGSTOP) if len(wire.sent) == 1 else None
    state = many("random", 1000)  # more than a pipe holds: the ask hangs in writing
    answer = asked(worker, state)
    assert written(answer.suggestions) == here(state)
    assert answer.seconds >= 3.0
    assert wire.starts() == 2


def test_one_that_always_hangs_is_given_up_in_words(make: Make) -> None:
    error = asked(make(deadline_s=0.01), new_state()).error
    assert "no answer in 3 tries: it did not answer within 0.01 s. Use another" in error


def test_what_a_planner_refuses_is_told_at_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, wire = make(), Wire()
    wire.watch(worker, monkeypatch)
    state = new_state("random")
    nothing = Forbidden(when={"salt": Between(above=0.0)})
    space = state.space.model_copy(update={"constraints": (nothing,)})
    answer = asked(worker, state.model_copy(update={"space": space}))
    assert answer.suggestions == ()
    assert answer.error.startswith("planner 'random': 65537 draws in a row break the constraints")
    assert len(wire.sent) == 1
    assert written(asked(worker, state).suggestions) == here(state)
    assert len(set(wire.pids)) == 1, "it is the same process"


def test_a_planner_that_is_not_there_is_told_at_once(make: Make) -> None:
    assert "no planner 'rndom'; did you mean 'random'?" in asked(make("rndom"), new_state()).error


def test_an_idle_process_ends_and_the_next_ask_starts_another(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, wire = make(idle_s=0.01), Wire()
    wire.watch(worker, monkeypatch)
    pidfds: list[int] = []
    wire.then = lambda pid: pidfds.append(os.pidfd_open(pid))
    state = new_state("random")
    asked(worker, state)
    assert gone(pidfds[0])
    assert written(asked(worker, state).suggestions) == here(state)
    assert wire.starts() == 2
    os.close(pidfds[1])


def test_one_that_dies_between_asks_is_started_and_told_everything(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    worker, wire = make(), Wire()
    wire.watch(worker, monkeypatch)
    state = many("random", 20)
    asked(worker, state)
    assert worker.pid is not None
    pidfd = os.pidfd_open(worker.pid)
    os.kill(worker.pid, signal.SIGKILL)
    assert gone(pidfd)
    state = with_trial(state, params={"salt": 1.0, "carbonate": 0.4, "share": 0.5}, status="proposed")
    assert written(asked(worker, state).suggestions) == here(state)
    assert wire.starts() == 2


def test_ctrl_c_is_not_for_the_process(make: Make) -> None:
    worker, state = make(), new_state("random")
    asked(worker, state)
    pid = worker.pid
    assert pid is not None
    assert os.getsid(pid) == os.getpgid(pid) == pid
    os.kill(pid, signal.SIGINT)
    assert written(asked(worker, state).suggestions) == here(state)
    assert worker.pid == pid


def test_one_ask_at_a_time_and_none_after_the_end(make: Make) -> None:
    worker, state = make(), new_state()
    answers: list[Answer] = []
    worker.ask(state, 1, answers.append)
    with pytest.raises(PlannerError, match="still thinking"):
        worker.ask(state, 1, answers.append)
    worker.close()
    (answer,) = answers
    assert "closed before it answered" in answer.error
    assert worker.pid is None
    worker.close()
    with pytest.raises(PlannerError, match="make a new PlannerWorker"):
        worker.ask(state, 1, answers.append)


def test_an_answer_may_ask_again_and_close(make: Make) -> None:
    worker, state = make(), new_state("random")
    answers: list[Answer] = []
    ended = threading.Event()

    def first(answer: Answer) -> None:
        answers.append(answer)
        worker.ask(state, 1, second)

    def second(answer: Answer) -> None:
        answers.append(answer)
        worker.close()
        ended.set()

    worker.ask(state, 1, first)
    assert ended.wait(PATIENCE_S)
    assert answers[0].suggestions == answers[1].suggestions != ()
    assert worker.pid is None


def test_the_process_ends_with_the_one_that_asked_even_while_it_computes() -> None:
    code = (
        "import sys, time\n"
        "from labwright.planners import PlannerWorker, worker as module\n"
        "from tests.planners.conftest import new_state, run\n"
        "state = run(new_state('sobol'), 1000)\n"  # a Gaussian process of 1,000 trials takes half a minute
        "worker, plain = PlannerWorker(new_state('gp').planner), module.write_line\n"
        "def write_line(fd, message):\n"
        "    plain(fd, message)\n"
        "    print(worker.pid, flush=True)\n"
        "module.write_line = write_line\n"
        "worker.ask(state, 1, print)\n"
        "sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pidfd = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        assert gone(pidfd)
