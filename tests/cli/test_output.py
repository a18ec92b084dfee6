"""What a person sees of a verb that takes seconds."""

import io

import pytest
from rich.console import Console

from labwright.cli import output


def said(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    """What is written while something takes long."""
    seen = io.StringIO()
    monkeypatch.setattr(output, "console", Console(file=seen, force_terminal=terminal, width=100, markup=False))
    with output.working("replaying [all]") as say:
        say("12 events")
    return seen.getvalue()


def test_in_a_terminal_it_is_said_what_takes_long_and_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = said(monkeypatch, terminal=True)
    assert "replaying [all]" in seen
    assert "12 events" in seen
    assert "0:00:00" in seen


def test_in_a_pipe_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said(monkeypatch, terminal=False) == ""
