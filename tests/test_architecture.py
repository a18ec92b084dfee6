"""The page on the house, against the code: its drawing, and every file and function that it names."""

import ast
import re
from pathlib import Path

import grimp
import pytest

from benchmarks.house_picture import CORE, PICTURE, draw, read_house

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "explanation" / "architecture.md"
WORDS = PAGE.read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)(?:: ([\w.]+))?`", WORDS)))
FOLDERS = sorted(set(re.findall(r"(?<![\w/])tests/[\w/.]*\w", WORDS)))


def test_the_drawing_is_the_one_that_the_code_gives() -> None:
    assert draw(read_house()) == PICTURE.read_text(encoding="utf-8"), "draw it again: make drawing"


def test_a_package_that_imports_something_else_changes_the_drawing() -> None:
    house = read_house()
    (engine,) = (room for storey in house.storeys for room in storey if room.name == "engine")
    assert {"stations", "planners", "journal"} <= set(engine.uses)
    assert {"core", "work", "dispatch", "lab"} <= set(engine.core)
    assert "controller" not in engine.core
    assert [[room.name for room in storey] for storey in house.storeys][-1] == ["model"]


def test_what_decides_imports_the_model_alone() -> None:
    graph = grimp.build_graph("labwright", cache_dir=None)
    reached = graph.find_upstream_modules(CORE)
    assert {one for one in reached if not one.startswith(("labwright.engine.", "labwright.model"))} == set()


def test_the_page_names_much() -> None:
    assert len(NAMED) > 60


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_what_the_page_names_exists(file: str, name: str) -> None:
    path = ROOT / "src" / "labwright" / file
    assert path.is_file(), f"{file} is not in src/labwright"
    body = ast.parse(path.read_text(encoding="utf-8")).body
    for part in name.split(".") if name else ():
        found = [
            node
            for node in body
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.name == part
        ]
        assert found, f"{file} has no {name}"
        body = found[0].body


@pytest.mark.parametrize("place", FOLDERS)
def test_the_tests_that_the_page_names_exist(place: str) -> None:
    assert (ROOT / place).exists()


def test_what_the_page_calls_from_the_package_exists() -> None:
    import labwright.testing

    named = set(re.findall(r"`labwright\.testing\.(\w+)`", WORDS))
    assert named
    assert all(hasattr(labwright.testing, name) for name in named)
