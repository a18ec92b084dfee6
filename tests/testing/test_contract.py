"""The contract test for protocols: that it lets good ones pass, and what it says of those that are not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from labwright.cli.init import make_lab
from labwright.testing import check_protocol
from tests.forks import python

ROOT = Path(__file__).parents[2]
FOURWAYS = ROOT / "tests" / "labs" / "fourways"

pytestmark = pytest.mark.long


def in_a_process(lab: Path, campaign: str, **how: object) -> subprocess.CompletedProcess[str]:
    """One process runs one lab, so every other lab than the reference lab has its own."""
    words = "".join(f", {name}={value!r}" for name, value in how.items())
    code = (
        "from pathlib import Path\n"
        "from labwright.testing import check_protocol\n"
        f"print(check_protocol(Path({str(lab)!r}), {campaign!r}{words}))"
    )
    return python(code, cwd=lab)


def test_a_new_lab_passes_at_every_message_and_boundary(tmp_path: Path) -> None:
    make_lab(tmp_path / "lab")
    done = in_a_process(tmp_path / "lab", "first")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "warm_up: 2 operations with 1 physical effects happened once with 15 pauses (of 15 messages) and 16 kills (at "
        "16 boundaries of the journal); 0 questions\n"
    )


KINDS = {
    "two": "more_objectives: [{name: cost_of_heat, goal: min, unit: kJ}]",
    "three": "more_objectives: [{name: cost_of_heat, goal: min, unit: kJ}, {name: glow_time, goal: max, unit: s}]",
    "limits": "outcome_limits: [{name: cost_of_heat, unit: kJ, high: 900}]",
    "cost": "cost: {unit: min, base: 1, per: {temperature: 0.1}}",
    "costly": "cost: {unit: min, base: 1}\nstop: {cost: 3}",
    "fidelity": "fidelity: {parameter: hold, target: 60}",
    "warm": "warm_start: [first]",
    "parallel": "parallel: 3",
    "advised": "stop: {advised_for: 2, gain_below_noise_for: 2, regret_below: 0.1, target: 0.5, no_better_for: 3}",
    "elsewhere": "planner: {name: baybe}",
}
"""Campaigns of every kind: what each has besides the first one's lines."""

LIMIT = "{type: linear_le, coefficients: {temperature: 1, hold: 1}, bound: 130}"
SPACES = {
    "pool": "{parameters: [TEMPERATURE, HOLD], pool: {file: candidates.csv}}",
    "constrained": f"{{parameters: [TEMPERATURE, HOLD], constraints: [{LIMIT}]}}",
    "whole": "{parameters: [TEMPERATURE, {type: integer, name: hold, unit: s, low: 20, high: 60}]}",
    "listed": "{parameters: [TEMPERATURE, {type: ordinal, name: hold, unit: s, values: [20, 30, 60]}]}",
}
REALS = (
    "{type: real, name: temperature, unit: degC, low: 25, high: 85}",
    "{type: real, name: hold, unit: s, low: 20, high: 60}",
)


@pytest.mark.long
def test_campaigns_of_every_kind_can_be_tested(tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    make_lab(lab)
    protocol = lab / PROTOCOL
    text = protocol.read_text()
    for old, new in (
        ("high=90),)", 'high=90), NumberParameter(name="hold", unit="s", low=20, high=60))'),
        (
            'unit="1"),)',
            'unit="1"), NumberResult(name="cost_of_heat", unit="kJ"), NumberResult(name="glow_time", unit="s"))',
        ),
        ('self.lab.constants["warm_up"]["hold_s"]', 'context.order.parameters["hold"]'),
        (
            "heater.glow.name]}",
            'heater.glow.name], "cost_of_heat": 10.0, "glow_time": context.order.parameters["hold"]}',
        ),
    ):
        assert old in text
        text = text.replace(old, new)
    protocol.write_text(text)
    (lab / "candidates.csv").write_text("temperature,hold\n30,20\n50,40\n80,60\n")
    plain = 'title: A\nprotocol: warm_up\nobjective: {name: glow, goal: max, unit: "1"}\nbudget: 3\nseed: 1\n'
    for name, more in {**KINDS, **SPACES}.items():
        space = (SPACES.get(name) or "{parameters: [TEMPERATURE, HOLD]}").replace("TEMPERATURE", REALS[0])
        space = space.replace("HOLD", REALS[1])
        lines = f"name: {name}\n{plain}space: {space}\n" + (f"{more}\n" if name in KINDS else "")
        planner = "" if "planner:" in lines else "planner: {name: gp}\n"
        (lab / "lab_config" / "campaigns" / f"{name}.yaml").write_text(lines + planner)
    code = (
        "from pathlib import Path\n"
        "from labwright.testing import check_protocol\n"
        f"for name in {[*KINDS, *SPACES]!r}:\n"
        f"    print(name, check_protocol(Path({str(lab)!r}), name, every=20))"
    )
    done = python(code, cwd=lab)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("happened once") == len(KINDS) + len(SPACES)


@pytest.mark.slow
def test_a_lab_with_all_four_ways_passes(tmp_path: Path) -> None:
    done = in_a_process(FOURWAYS, "ways", every=6)  # every one of them: make soak
    assert done.returncode == 0, done.stderr
    assert "6 pauses (of 31 messages)" in done.stdout


@pytest.mark.long
def test_the_reference_lab_passes_here_and_there() -> None:
    report = check_protocol(ROOT, "conductivity", every=120)
    assert sorted(report.protocols) == ["arm", "cell_calibration", "electrolyte_conductivity"], "moves, too"
    assert (report.pauses, report.kills) == (-(-report.messages // 120), len(range(60, report.boundaries, 120)))
    assert report.questions == 0


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_the_reference_lab_passes_at_every_message_and_boundary() -> None:
    report = check_protocol(ROOT, "conductivity")
    print(report)  # noqa: T201 - the figures of the proof
    assert report.pauses == report.messages > 350
    assert report.kills == report.boundaries > 400


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_lab_with_all_four_ways_passes_everywhere() -> None:
    done = in_a_process(FOURWAYS, "ways")
    print(done.stdout)  # noqa: T201 - the figures of the proof
    assert done.returncode == 0, done.stderr


PLAN = 'yield from physical(context, heater.temperature, context.order.parameters["temperature"])'
LOGGED = "if float(value) != self.world.target:"
BY_STATE = 'reconcile="by_state", holds=True,  # after a crash it may be set again, and must be: it is a set-point'
PROTOCOL, DRIVER, SIMULATOR = "protocols/warm_up.py", "devices/heater.py", "simulators/heater.py"

CHANCE = "import random\n        yield from physical(context, heater.temperature, 30 + 50 * random.random())"
CLOCK = "yield from physical(context, heater.temperature, 30 + context.clock.now() % 60)"
RESUMED = "yield from physical(context, heater.temperature, 35 if context.order.resumed else 30)"
SLOW = f"""began_s = context.clock.now()
        {PLAN}
        yield from wait_s(1)
        if context.clock.now() > began_s + 280:
            yield from physical(context, heater.temperature, 30)"""
DIRECT = f"heater.command('SP 85.0', str)\n        {PLAN}"
COUNTER = """    def nothing(self) -> float:
        return 0.0

    def rest(self, act: Act) -> None: ...

    def halt"""

WRONG: dict[str, tuple[str, list[tuple[str, str, str]], list[str]]] = {
    "by chance": (
        "kill",
        [(PROTOCOL, PLAN, CHANCE)],
        ["protocol warm_up, step 0001/warm", "message 1 was 'set heater_temperature"],
    ),
    "by the clock": (
        "kill",
        [(PROTOCOL, PLAN, CLOCK)],
        ["step 0001/warm: its message 1 was 'set heater_temperature 30' undisturbed, and now it was 'set", " 35'"],
    ),
    "another way after a crash": (
        "kill",
        [(PROTOCOL, PLAN, RESUMED)],
        [
            "step 0001/warm, killed at boundary 8 of 16 (after intent:warm)",
            "takes another way than before: its operation 0",
        ],
    ),
    "by how long it took": (
        "pause",
        [(PROTOCOL, PLAN, SLOW)],
        [
            "protocol warm_up, step 0001/warm, paused right before message 0 (open_run)",
            "heater heat (celsius 30.0) in protocol warm_up, step 0001/warm, operation 2 happened once instead of not",
        ],
    ),
    "a by_state that adds up": (
        "kill",
        [(SIMULATOR, LOGGED, "if True:")],
        [
            "protocol warm_up, step 0001/warm, killed at boundary 9 of 16 (before outcome:warm)",
            "operation 0 happened twice instead of once: it is declared by_state",
        ],
    ),
    "a counter that lies": (
        "kill",
        [
            (SIMULATOR, LOGGED, "if True:"),
            (DRIVER, BY_STATE, 'reconcile="by_counter", counter="nothing", quiet="rest",'),
            (DRIVER, "    def halt", COUNTER),
        ],
        ["killed at boundary 9 of 16 (before outcome:warm)", "operation 0 happened twice instead of once"],
    ),
    "nothing to count": (
        "kill",
        [(SIMULATOR, LOGGED, "if False:"), (DRIVER, BY_STATE, 'reconcile="ask",')],
        ["operation 0: heater.temperature", "left no line in the log of effects", "heater call self.effect(...)"],
    ),
    "behind the plan's back": (
        "kill",
        [(PROTOCOL, PLAN, DIRECT)],
        ["heater heat (celsius 85.0) belongs to no operation of a plan", "yield from physical"],
    ),
}


EVERY = {"another way after a crash": 15}
"""Of its boundaries only the eighth is of interest: the operation is begun, and its outcome is not known."""


@pytest.mark.parametrize("name", WRONG)
def test_what_it_says_of_a_wrong_one(name: str, tmp_path: Path) -> None:
    kind, changes, words = WRONG[name]
    make_lab(tmp_path / "lab")
    for file, old, new in changes:
        path = tmp_path / "lab" / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
    done = in_a_process(tmp_path / "lab", "first", kinds=(kind,), every=EVERY.get(name, 1))
    assert done.returncode == 1, done.stdout
    assert "AssertionError" in done.stderr
    for one in words:
        assert one in done.stderr
