"""Words and templates of the console: each label in each language, and nothing inline that the policy would block."""

from __future__ import annotations

import hashlib
import re
import string
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from labwright.model.campaign import TrialStatus
from labwright.model.states import CampaignPhase, ExperimentState, StepState
from labwright.model.unit_signs import unit_of, with_signs
from labwright.report import Bar, lab_timeline, surrogate_slice
from labwright.service.console.labels import LANGUAGES, Words, labels
from labwright.service.problems import TITLES

CONSOLE = Path(__file__).parents[3] / "src" / "labwright" / "service" / "console"
TEMPLATES = sorted((CONSOLE / "templates").rglob("*.html"))
CALLED = re.compile(r"""\b(?:t|words|t\.raw)\(\s*["']([a-z_.]+)["']""")


def used() -> set[str]:
    """Keys that pages and templates name."""
    texts = [path.read_text("utf-8") for path in [*TEMPLATES, *CONSOLE.glob("*.py")]]
    named = {key for text in texts for key in CALLED.findall(text) if not key.endswith(".")}
    done = {f"done.{key}" for text in texts for key in re.findall(r'm\.key\(new_key, "(\w+)"', text)}
    labelled = {key for text in texts for key in re.findall(r'Place\("[^"]+", "(\w+)"', text)}
    return named | done | labelled


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_each_label_that_a_page_names_is_there() -> None:
    assert used() - set(labels()) == set()


def test_each_label_is_in_each_language_with_the_same_fields() -> None:
    for key, texts in labels().items():
        assert set(texts) == set(LANGUAGES), key
        assert all(text.strip() for text in texts.values()), key
        assert len({frozenset(fields(text)) for text in texts.values()}) == 1, key


def test_each_problem_has_a_label() -> None:
    assert {f"problem.{code}" for code in TITLES} - set(labels()) == set()


@pytest.mark.parametrize(
    ("group", "words"),
    [("state", CampaignPhase), ("trial", TrialStatus), ("trial", ExperimentState), ("step", StepState)],
)
def test_each_state_has_a_label(group: str, words: Any) -> None:
    assert {f"{group}.{word}" for word in get_args(words)} - set(labels()) == set()


def test_units_are_written_as_people_write_them() -> None:
    assert with_signs("25 to 60 degC, 300 uL, 2 ug, 5 um, 50 Ohm") == "25 to 60 °C, 300 µL, 2 µg, 5 µm, 50 Ω"
    assert with_signs("ubuntu, degCelsius, uLtra, mol/kg") == "ubuntu, degCelsius, uLtra, mol/kg"
    assert (unit_of("degC"), unit_of("1"), unit_of(None), unit_of("")) == ("°C", "", "", "")


def test_a_stop_in_a_browser_is_never_called_an_emergency_stop() -> None:
    assert not [key for key, texts in labels().items() if "非常停止" in texts["ja"] or "E-stop" in texts["en"]]


def test_what_a_drawing_says_is_in_the_language_of_the_page() -> None:
    svg = lab_timeline([Bar("dosing", "dose <1>", -60.0, 0.0, "done")], ["dosing"], -3600, 3600)
    seen = Words("ja").picture(svg)
    assert ">現在</text>" in seen
    assert ">現在からのラボ時間（時間）</text>" in seen
    assert ">dosing</text>" in seen
    assert "dose &lt;1&gt;: done" in seen
    assert Words("en").picture(svg) == svg
    assert Words("ja").drawn("The planner's model of yield along time") == "プランナーのモデル：time に対する yield"
    best = "yield as large as possible: after each experiment the best so far, by the planner's model. Source: A. Bee."
    assert (
        Words("ja").drawn(best)
        == "yield を最大化：各実験の後の「現時点の最良（プランナーのモデル）」。 Source: A. Bee."
    )
    slices = surrogate_slice("x", "mm", "y", [0.0, 1.0], [1.0, 2.0], [0.1, 0.1], [(0.5, 1.5)])
    for words in (*re.findall(r">([^<>]+)</text>", slices), "best so far", "Pareto front"):
        plain = re.fullmatch(r"[-.\d]+|[xy]( / mm)?", words)
        assert plain or Words("ja").drawn(words) != words, f"{words} has no label"


def test_a_word_without_a_label_is_shown_as_it_is() -> None:
    assert Words("ja").of("state", "running") == "実行中"
    assert Words("ja").of("state", "unheard_of") == "unheard_of"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_template_has_nothing_inline(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:|hx-on|<script>", text)
    assert not re.search(r"\|\s*safe\b", text)
    assert not re.search(r"https?://(?!www\.w3\.org)", text)


def test_code_of_others_is_as_it_was_published() -> None:
    folder = CONSOLE / "static" / "vendor"
    listed = tomllib.loads((folder / "VENDORED.toml").read_text("utf-8"))
    assert set(listed) == {path.name for path in folder.iterdir() if path.suffix in (".js", ".css")}
    for name, about in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == about["sha256"], name
        assert about["version"]
        assert about["licence"]
