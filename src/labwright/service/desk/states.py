"""The life of a request: which event leads from which state to which, and who may bring it about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from labwright.service.problems import Problem
from labwright.service.rights import Action

State = Literal[
    "draft",
    "submitted",
    "validated",
    "needs_information",
    "under_review",
    "approved",
    "awaiting_samples",
    "queued",
    "running",
    "awaiting_operator",
    "completed",
    "completed_with_deviations",
    "failed",
    "aborted",
    "delivered",
    "closed",
    "rejected",
    "cancelled",
    "expired",
]

STATES: tuple[State, ...] = get_args(State)

Event = Literal[
    "edit",
    "submit",
    "find_valid",
    "find_wanting",
    "ask",
    "review",
    "approve",
    "reject",
    "cancel",
    "await_samples",
    "receive",
    "queue",
    "start",
    "ask_operator",
    "go_on",
    "complete",
    "complete_with_deviations",
    "fail",
    "ask_abort",
    "abort",
    "deliver",
    "close",
    "expire",
]

EVENTS: tuple[Event, ...] = get_args(Event)


@dataclass(frozen=True)
class Transition:
    """A step in a request's life.

    Attributes:
        to: the state it leads to.
        rights: one of these is enough; none: Labwright does it by itself.
        guard: what must hold besides, in words.
    """

    to: State
    rights: tuple[Action, ...] = ()
    guard: str = ""


_WRITES: tuple[Action, ...] = ("request.write",)
_SUBMITS: tuple[Action, ...] = ("request.submit",)
_REVIEWS: tuple[Action, ...] = ("request.review_technical", "request.review_safety")
_ENDS: tuple[Action, ...] = ("request.cancel", "request.operate")
_OPERATES: tuple[Action, ...] = ("request.operate",)

_EDITABLE: tuple[State, ...] = ("submitted", "validated", "under_review", "approved", "awaiting_samples")
_IN_REVIEW: tuple[State, ...] = ("validated", "under_review")
_UNDER_WAY: tuple[State, ...] = ("running", "awaiting_operator")
_BEFORE_IT_RUNS: tuple[State, ...] = (
    "draft", "submitted", "validated", "needs_information", "under_review", "approved", "awaiting_samples", "queued",
)  # fmt: skip
_OVER: tuple[State, ...] = ("completed", "completed_with_deviations", "failed", "aborted")
_ENDINGS: tuple[tuple[Event, State, str], ...] = (
    ("complete", "completed", "all experiments were carried out"),
    ("complete_with_deviations", "completed_with_deviations", "some were, or not as they were asked for"),
    ("fail", "failed", "none was carried out"),
    ("abort", "aborted", "a person has ended it"),
)
_NOTHING_WRONG = "the lab finds nothing wrong with it"

TABLE: Mapping[tuple[State, Event], Transition] = {
    ("draft", "edit"): Transition("draft", _WRITES),
    ("needs_information", "edit"): Transition("needs_information", _WRITES),
    **{
        (state, "edit"): Transition("submitted", _WRITES, f"{_NOTHING_WRONG}; reviews and what was reserved are void")
        for state in _EDITABLE
    },
    ("draft", "submit"): Transition("submitted", _SUBMITS, _NOTHING_WRONG),
    ("needs_information", "submit"): Transition("submitted", _SUBMITS, _NOTHING_WRONG),
    ("submitted", "find_valid"): Transition("validated", guard=_NOTHING_WRONG),
    ("submitted", "find_wanting"): Transition("needs_information", guard="the lab finds something wrong with it"),
    **{(state, "ask"): Transition("needs_information", _REVIEWS) for state in _IN_REVIEW},
    **{
        (state, "review"): Transition(
            "under_review", _REVIEWS, "of the content that is there now, and by another person than asks"
        )
        for state in _IN_REVIEW
    },
    ("under_review", "approve"): Transition(
        "approved", guard="enough people have accepted it, technically and for safety, and the quota allows it"
    ),
    **{(state, "reject"): Transition("rejected", _REVIEWS) for state in ("needs_information", *_IN_REVIEW)},
    **{
        (state, "cancel"): Transition("cancelled", _ENDS, "it was not handed to the controller")
        for state in _BEFORE_IT_RUNS
    },
    ("approved", "await_samples"): Transition("awaiting_samples", guard="it names samples"),
    ("awaiting_samples", "receive"): Transition("awaiting_samples", _OPERATES, "the barcode is new"),
    ("approved", "queue"): Transition("queued", guard="it names no samples"),
    ("awaiting_samples", "queue"): Transition("queued", guard="all samples are here"),
    ("queued", "find_wanting"): Transition("needs_information", guard="the lab has changed, and can do it no more"),
    ("queued", "start"): Transition("running", guard="its campaign has started"),
    ("running", "ask_operator"): Transition("awaiting_operator", guard="its campaign waits for a person"),
    ("awaiting_operator", "go_on"): Transition("running", guard="its campaign waits for no person any more"),
    **{(state, "ask_abort"): Transition(state, _ENDS, "its campaign is stopped") for state in ("queued", *_UNDER_WAY)},
    **{
        (state, event): Transition(to, guard=guard)
        for state in ("queued", *_UNDER_WAY)
        for event, to, guard in _ENDINGS
    },
    **{(state, "deliver"): Transition("delivered", guard="the bundle is written") for state in _OVER},
    ("delivered", "close"): Transition("closed", (*_WRITES, *_OPERATES)),
    **{
        (state, "expire"): Transition("expired", guard="the approval holds no longer")
        for state in ("approved", "awaiting_samples")
    },
}
"""By the state a request is in and what happens: where it leads. What is not here cannot be."""

ENDED: tuple[State, ...] = ("closed", "rejected", "cancelled", "expired")
"""No event leads out of these."""


def step(state: State, event: Event) -> Transition:
    """Where an event leads.

    Raises:
        Problem: it cannot be in this state; with what can be.
    """
    found = TABLE.get((state, event))
    if found is None:
        possible = [one for before, one in TABLE if before == state]
        words = ", ".join(possible) or "nothing any more"
        raise Problem("state", f"{event} is not possible in the state {state}; possible is {words}")
    return found
