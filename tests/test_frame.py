"""Rules of the house that a machine can watch."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import LONG

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TEMPLATE = ROOT / "src" / "labwright" / "cli" / "template"


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {one.name.split(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_the_engine_never_imports_a_lab() -> None:
    assert len(SOURCES) > 50
    for path in SOURCES:
        if TEMPLATE not in path.parents:
            assert not imported(path) & {"devices", "protocols", "simulators"}, path


def test_the_engine_loads_without_a_lab_in_reach(tmp_path: Path) -> None:
    code = (
        "import labwright.cli.running, labwright.report, labwright.simulation, sys; "
        "print([m for m in ('devices', 'protocols', 'simulators') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_long_files_begin_first(request: pytest.FixtureRequest) -> None:
    assert [name for name in LONG if not (ROOT / "tests" / name).is_file()] == []
    place = {ROOT / "tests" / name: number for number, name in enumerate(LONG)}
    begun = [place.get(item.path, len(LONG)) for item in request.session.items]
    assert begun == sorted(begun)


def test_installed_packages_agree() -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_top_level_is_what_a_newcomer_expects() -> None:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("no git checkout")
    tops = {line.split("/")[0] for line in done.stdout.splitlines()}
    wanted = {"pyproject.toml", "README.md", "lab_config", "src", "devices", "protocols", "simulators", "tests"}
    expected = {
        "Makefile",
        "LICENSE",
        "CHANGELOG.md",
        "docs",
        "benchmarks",
        ".ci",
        ".pre-commit-config.yaml",
        ".github",
        ".gitignore",
    }
    assert tops == wanted | expected


def test_every_dependency_is_capped() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = text[text.index("dependencies = [") : text.index("[project.scripts]")]
    names = re.findall(r'^\s+"([^"]+)"', block, re.MULTILINE)
    assert len(names) > 15
    for name in names:
        assert re.search(r"<\d|==", name), name


def test_broad_excepts_stay_rare() -> None:
    broad = []
    lines = 0
    for path in [*SOURCES, *(ROOT / "devices").glob("*.py"), *(ROOT / "protocols").glob("*.py")]:
        text = path.read_text(encoding="utf-8")
        lines += text.count("\n")
        broad += re.findall(r"except (?:Base)?Exception", text)
    assert len(broad) / lines * 1000 < 0.8
