"""States and the ways between them; what is not drawn here cannot happen.

::

    campaign     draft -> queued -> running -> draining -> completed | stopped | failed; paused is a flag beside it
                     draining | completed -> running, where it has run out and is extended
    experiment   proposed -> accepted -> active <-> held(question); active -> measured -> complete; any -> abandoned
    step         waiting -> ready -> reserved -> running -> done | failed | skipped; running -> unknown -> done | ready
    intent       prepared -> confirmed | absent | unknown; unknown -> confirmed | absent
    reservation  requested -> held -> active -> released | expired

There is no edge from `unknown` back to `prepared`: a physical operation that may have happened is never sent again
before evidence from the device, or a named person, says that it did not; then it is a new attempt.
"""

from __future__ import annotations

from typing import Literal

from labwright.model.errors import LabwrightError

CampaignPhase = Literal["draft", "queued", "running", "draining", "completed", "stopped", "failed"]
ExperimentState = Literal["proposed", "accepted", "active", "held", "measured", "complete", "abandoned"]
StepState = Literal["waiting", "ready", "reserved", "running", "unknown", "done", "failed", "skipped"]
IntentState = Literal["prepared", "confirmed", "absent", "unknown"]

TRANSITIONS: dict[str, dict[str, frozenset[str]]] = {
    "campaign": {
        "draft": frozenset({"queued"}),
        "queued": frozenset({"running"}),
        "running": frozenset({"draining"}),
        "draining": frozenset({"running", "completed", "stopped", "failed"}),
        "completed": frozenset({"running"}),
        "stopped": frozenset(),
        "failed": frozenset(),
    },
    "experiment": {
        "proposed": frozenset({"accepted", "abandoned"}),
        "accepted": frozenset({"active", "abandoned"}),
        "active": frozenset({"held", "measured", "abandoned"}),
        "held": frozenset({"active", "measured", "abandoned"}),
        "measured": frozenset({"held", "complete", "abandoned"}),
        "complete": frozenset(),
        "abandoned": frozenset(),
    },
    "step": {
        "waiting": frozenset({"ready", "skipped"}),
        "ready": frozenset({"reserved", "skipped"}),
        "reserved": frozenset({"running"}),
        "running": frozenset({"done", "failed", "unknown"}),
        "unknown": frozenset({"done", "ready", "failed"}),
        "done": frozenset(),
        "failed": frozenset(),
        "skipped": frozenset(),
    },
    "intent": {
        "prepared": frozenset({"confirmed", "absent", "unknown"}),
        "unknown": frozenset({"confirmed", "absent"}),
        "confirmed": frozenset(),
        "absent": frozenset(),
    },
    "reservation": {
        "requested": frozenset({"held"}),
        "held": frozenset({"active", "released", "expired"}),
        "active": frozenset({"released", "expired"}),
        "released": frozenset(),
        "expired": frozenset(),
    },
}

OVER = ("completed", "stopped", "failed")
"""How a campaign has ended; only one that is completed may be extended."""


class IllegalTransitionError(LabwrightError):
    """A change of state that is not drawn above: a bug, or a journal that was edited by hand."""


def check_transition(kind: str, who: str, old: str, new: str) -> None:
    """Refuse a change of state that is not allowed.

    Raises:
        IllegalTransitionError: it is not.
    """
    if new not in TRANSITIONS[kind][old]:
        allowed = ", ".join(sorted(TRANSITIONS[kind][old])) or "nothing, it has ended"
        raise IllegalTransitionError(f"{kind} {who} is {old} and cannot become {new} (from here: {allowed})")
