"""Record golden journals with the version of Labwright that is here: ``python -m tests.golden.record NAME``.

See README.md. Each scenario is a campaign on simulated instruments, steered by the command line as people would, with
faults and SIGKILLs where the journal shows that the moment has come.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.golden import journals
from tests.golden.bench import Bench, bench
from tests.postgres import PostgresServer, find_binaries

Scenario = Callable[[Bench], None]

SPEED = 10.0
"""Lab seconds a second: so slow that no moment that is waited for is missed."""

WHO = ("--by", "Bea", "--reason")


def single(one: Bench) -> None:
    """One sample after another, a preparation before; a wish, its withdrawal, a forbidden region."""
    one.begin("single")
    one.until_runs("0001/dose")
    one.tell("campaign", "pause", "single", *WHO, "to think")
    one.tell("campaign", "suggest", "single", "share=0.42", *WHO, "as last year")
    guess = one.tell("campaign", "suggest", "single", "share=0.11", *WHO, "a guess", "--json")
    one.tell("campaign", "veto", "single", json.loads(guess)["trial"], *WHO, "it was a guess")
    one.tell("campaign", "veto", "single", "share=0.75", "--reach", "0.15", *WHO, "it stains the beaker")
    one.tell("campaign", "resume", "single", *WHO, "go on")
    assert one.end() == 0, one.said()


def parallel(one: Bench) -> None:
    """Three samples on their way; paused and resumed by a person, and killed once."""
    one.begin("parallel")
    one.until_runs("0001/stir")
    one.tell("campaign", "pause", "parallel", *WHO, "lunch")
    one.tell("campaign", "resume", "parallel", *WHO, "after lunch")
    one.until(lambda: len(one.running()) > 1, "two steps run at once")
    one.kill()
    one.begin("parallel")
    assert one.end() == 0, one.said()


def branching(one: Bench) -> None:
    """What is dark is thinned, round by round; what is not skips that; killed three times."""
    one.begin("branching")
    for step in ("0001/dose", "0001/stir", "0002/to_light"):
        one.until_runs(step)
        one.kill()
        one.begin("branching")
    assert one.end() == 0, one.said()


def front(one: Bench) -> None:
    """Two objectives, and a planner that learns."""
    one.begin("front")
    assert one.end() == 0, one.said()


def limits(one: Bench) -> None:
    """An outcome limit, a cost, two rules to stop; it learns from an earlier campaign."""
    one.begin("limits")
    assert one.end() == 0, one.said()


def advised(one: Bench) -> None:
    """The planner says when it is no longer worth it."""
    one.begin("advised")
    assert one.end() == 0, one.said()


def faults(one: Bench) -> None:
    """A half dose completed, one taken as it is, one whose sample is given up; drops in doubt; a lamp that is out."""
    one.fault("pump_cyan", "stall", 40)
    one.begin("faults")
    one.question()
    one.clear_faults()
    one.answer("rest", "the syringe is straight again")
    one.until_runs("0001/drop")
    one.kill()
    one.begin("faults")
    one.answer("done", "I have seen the drops fall")
    one.fault("pump_amber", "stall", 15)
    one.question()
    one.clear_faults()
    one.answer("take", "good enough")
    one.until_runs("0002/drop")
    one.kill()
    one.begin("faults")
    one.fault("stirrer", "stuck")
    one.answer("again", "no drop fell")
    one.question()
    one.clear_faults()
    one.answer("again", "the stirrer was unplugged")
    one.fault("meter", "dark")
    one.until_runs("0004/dose")
    one.clear_faults()
    one.until_runs("0004/stir")
    one.fault("pump_amber", "stall", 15)
    one.question()
    one.clear_faults()
    one.answer("abandon", "the beaker is broken")
    assert one.end() == 0, one.said()


def given_up(one: Bench) -> None:
    """Of several vials one is given up, and stands in the way of others until a person has taken it out."""
    one.fault("pump_cyan", "stall", 12)
    one.begin("parallel")
    one.question()
    one.clear_faults()
    one.answer("abandon", "it was knocked over")
    one.until(lambda: len(one.running()) > 1, "two steps run at once")
    one.tell("campaign", "drain", "parallel", *WHO, "enough for today")
    assert one.end() == 0, one.said()


def late(one: Bench) -> None:
    """A step that takes far longer than it should; then nothing is left to choose from."""
    one.fault("arm", "crawls")
    one.begin("pool")
    one.until_runs("0001/fetch")
    one.tell("campaign", "veto", "pool", "share=0.5", *WHO, "it has been thrown away")
    one.until(lambda: "step_late" in one.kinds(), "a step is late")
    one.clear_faults()
    assert one.end() == 1, one.said()


def vetoed(one: Bench) -> None:
    """All that the planner suggests is forbidden, until the campaign gives up."""
    one.begin("single")
    one.until_runs("0001/dose")
    one.tell("campaign", "pause", "single", *WHO, "to think")
    one.tell("campaign", "veto", "single", "share=0.5", "--reach", "0.5", *WHO, "no ink is left for it")
    one.tell("campaign", "resume", "single", *WHO, "go on")
    assert one.end() == 1, one.said()


def stopped(one: Bench) -> None:
    """Ended by a person, after the operations under way."""
    one.begin("single")
    one.until_runs("0002/dose")
    one.tell("campaign", "stop", "single", *WHO, "the hood is needed")
    assert one.end() == 130, one.said()


def stopped_now(one: Bench) -> None:
    """Halted by a person with vials under way: a latch that is reset, and a deck that is looked at."""
    one.begin("parallel")
    one.until(lambda: len(one.running()) > 1, "two steps run at once")
    campaign = one.campaign()
    one.tell("campaign", "stop", "parallel", "--now", *WHO, "smoke")
    assert one.end() == 130, one.said()
    one.tell("reset", "--instruments", str(one.endpoints), *WHO, "it was the kettle")
    one.tell("question", "answer", f"{campaign}:deck", "clear", *WHO, "all vials are out")


def failed(one: Bench) -> None:
    """The preparation fails, and the campaign with it."""
    one.fault("pump_amber", "stall", 3)
    one.begin("single")
    assert one.end() == 1, one.said()


WHOLE: tuple[Scenario, ...] = (
    single, parallel, branching, front, limits, advised, faults, given_up, late, vetoed, stopped, stopped_now, failed,
)  # fmt: skip


def cut_single(one: Bench) -> None:
    """Killed in the middle of a dose."""
    one.begin("single")
    one.until_runs("0002/dose")


def cut_parallel(one: Bench) -> None:
    """Killed with several samples under way."""
    one.begin("parallel")
    one.until(lambda: len({step[:4] for step in one.running()}) > 1, "steps of two samples run")


def cut_question(one: Bench) -> None:
    """Killed while a question about a half dose is open."""
    one.begin("single")
    one.until_runs("0002/stir")
    one.fault("pump_cyan", "stall", 6)
    one.question()


def cut_paused(one: Bench) -> None:
    """Killed while it is paused."""
    one.begin("parallel")
    one.until_runs("0001/stir")
    one.tell("campaign", "pause", "parallel", *WHO, "lunch")
    one.until(lambda: not one.moves(), "the operations under way have ended")


CUT: tuple[Scenario, ...] = (cut_single, cut_parallel, cut_question, cut_paused)


def record(folder: Path, server: PostgresServer | None) -> None:
    """Record everything into `folder`, on SQLite or on a PostgreSQL server."""
    with tempfile.TemporaryDirectory() as temporary:
        place = "" if server is None else server.fresh_database()
        with bench(Path(temporary) / "whole", place, SPEED) as one:
            for scenario in WHOLE:
                sys.stdout.write(f"{scenario.__name__}\n")
                one.renew()
                scenario(one)
            one.switch_off()
            journals.keep(one, folder / "whole")
        for scenario in CUT:
            sys.stdout.write(f"{scenario.__name__}\n")
            place = "" if server is None else server.fresh_database()
            with bench(Path(temporary) / scenario.__name__, place, SPEED) as one:
                one.switch_on()
                scenario(one)
                one.kill()
                one.until(lambda: not one.moves(), "the instruments stand")
                one.switch_off()
                journals.keep(one, folder / scenario.__name__, instruments=True)


def main(name: str) -> None:
    """Record the journals of the version `name`."""
    folder = Path(__file__).parent / name
    folder.mkdir()
    record(folder, None)
    binaries = find_binaries()
    assert binaries is not None, "the other half is recorded on PostgreSQL: install it"
    server = PostgresServer(binaries)
    try:
        record(folder, server)
    finally:
        server.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
