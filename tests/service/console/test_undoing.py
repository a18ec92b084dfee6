"""What takes back what a form has done."""

from __future__ import annotations

from typing import Any

import pytest

from labwright.service.console.undoing import undo_of

DONE = {"command": 7, "state": "done", "result": ""}


@pytest.mark.parametrize(
    ("path", "body", "back", "undone"),
    [
        ("/v1/inventory/adjust", {"stock": "a", "change": "-0.5mL"}, "/v1/inventory/adjust", {"change": "0.5mL"}),
        ("/v1/inventory/adjust", {"stock": "a", "change": "+2mL"}, "/v1/inventory/adjust", {"change": "-2mL"}),
        ("/v1/inventory/adjust", {"stock": "a", "change": " 2mL "}, "/v1/inventory/adjust", {"change": "-2mL"}),
        ("/v1/inventory/release", {"stock": "a"}, "/v1/inventory/quarantine", {"stock": "a"}),
        ("/v1/samples/c-1/0003/quarantine", {}, "/v1/samples/c-1/0003/release", {}),
        ("/v1/campaigns/c-1/pause", {}, "/v1/campaigns/c-1/resume", {}),
    ],
)
def test_what_has_an_opposite_is_undone_by_it(
    path: str, body: dict[str, Any], back: str, undone: dict[str, Any]
) -> None:
    undo = undo_of("POST", path, {**body, "because": "by mistake"}, DONE)
    assert undo is not None
    assert (undo.method, undo.path) == ("POST", back)
    assert undo.body == {**body, **undone, "because": "undone: by mistake"}


def test_a_container_goes_back_to_where_it_was() -> None:
    body = {"container": "a-1", "to": "shelf", "because": "empty"}
    undo = undo_of("POST", "/v1/inventory/move", body, DONE, "source:a")
    assert undo is not None
    assert undo.body == {"container": "a-1", "to": "source:a", "because": "undone: empty"}
    assert undo_of("POST", "/v1/inventory/move", body, DONE) is None, "it is not known where it was"


def test_a_suggestion_is_withdrawn_until_it_has_started() -> None:
    path = "/v1/campaigns/c-1/suggest"
    undo = undo_of("POST", path, {"params": {"x": 1.0}, "because": "a hunch"}, {**DONE, "result": "p3"})
    assert undo is not None
    assert (undo.path, undo.body) == ("/v1/campaigns/c-1/veto", {"trial": "p3", "because": "undone: a hunch"})
    assert undo_of("POST", path, {"params": {"x": 1.0}}, {**DONE, "result": "0004"}) is None


def test_what_the_controller_has_not_taken_is_taken_back_whatever_it_is() -> None:
    undo = undo_of("POST", "/v1/lab/stop", {"now": True}, {"command": 7, "state": "waiting"})
    assert undo is not None
    assert (undo.method, undo.path, undo.fields) == ("DELETE", "/v1/commands/7", [])


@pytest.mark.parametrize(
    "path", ["/v1/lab/stop", "/v1/lab/reset", "/v1/questions/c:q1/answer", "/v1/campaigns/c-1/stop"]
)
def test_what_has_happened_in_the_lab_is_not_undone(path: str) -> None:
    assert undo_of("POST", path, {"because": "so"}, DONE) is None
