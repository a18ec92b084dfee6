"""One word for one thing: messages, help, tables and manual against docs/reference/glossary.md."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from labwright.cli.app import app
from labwright.journal.schema import metadata
from labwright.model.states import TRANSITIONS

ROOT = Path(__file__).parents[1]
GLOSSARY = ROOT / "docs" / "reference" / "glossary.md"
CODE = [path for name in ("src", "devices", "protocols", "simulators") for path in sorted((ROOT / name).rglob("*.py"))]
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "benchmarks" / "README.md")
    if page != GLOSSARY
]


def rows() -> list[tuple[str, str, str]]:
    """Term, meaning, and the words that are not used for it."""
    found = []
    for line in GLOSSARY.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 3 and cells[0] != "term":
            found.append((cells[0], cells[1], cells[2]))
    return found


TERMS = {term.strip() for terms, _, _ in rows() for term in terms.split(",")}
AVOIDED = {word.strip(): terms for terms, _, words in rows() for word in words.split(",") if word.strip()}
PATTERN = re.compile(r"\b(" + "|".join(sorted(map(re.escape, AVOIDED), key=len, reverse=True)) + r")\b", re.IGNORECASE)


def wrong(text: str) -> list[str]:
    return [f"{word!r} (write: {AVOIDED[word.lower()]})" for word in PATTERN.findall(" ".join(text.split()))]


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Messages, docstrings and comments of a file, with their lines."""
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def helps(command: Any, name: str) -> Iterator[tuple[str, str]]:
    yield name, command.help or ""
    for parameter in command.params:
        yield f"{name} {parameter.name}", getattr(parameter, "help", None) or ""
    for sub, inner in getattr(command, "commands", {}).items():
        yield from helps(inner, f"{name} {sub}")


def test_the_glossary_has_each_term_once() -> None:
    names = [term.strip() for terms, _, _ in rows() for term in terms.split(",")]
    assert len(names) > 60
    assert sorted(names) == sorted(set(names))


def test_an_avoided_word_is_found_across_a_line_break() -> None:
    assert wrong("the campaign is gone\n    on with") == ["'gone on with' (write: resume)"]
    assert wrong("an untold story") == []


@pytest.mark.parametrize("kind", TRANSITIONS)
def test_each_state_is_in_the_glossary(kind: str) -> None:
    assert set(TRANSITIONS[kind]) - TERMS == set()


def test_each_table_of_the_journal_is_in_the_glossary() -> None:
    assert set(metadata.tables) - TERMS == set()


def test_the_command_line_uses_the_words_of_the_glossary() -> None:
    assert {name: found for name, text in helps(get_command(app), "labwright") if (found := wrong(text))} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_manual_uses_the_words_of_the_glossary(page: Path) -> None:
    assert wrong(page.read_text(encoding="utf-8")) == []


def test_messages_docstrings_and_comments_use_the_words_of_the_glossary() -> None:
    lines = ((path, line, word) for path in CODE for line, text in texts(path) for word in wrong(text))
    assert [f"{path.relative_to(ROOT)}:{line}: {word}" for path, line, word in lines] == []
