"""Finding out whether an act was done, after the controller that began it has died.

An axis declares how (`Axis(reconcile=...)`), a measurement by `LabDevice.measuring`. The caller gets an
`EvidenceStatus`; finding out never halts anything, whether it succeeds or not.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_args

from ophyd.status import Status

from labwright.hardware.acts import Act
from labwright.model.operations import Evidence, Reconcile

KINDS: tuple[str, ...] = get_args(Reconcile)

OUTCOME_POLL_S = 0.2
"""How often an instrument that still works on a command is asked again, lab seconds."""

FIND_OUT_S = 600.0
"""Lab seconds that finding out may take beyond the time of the act itself: an instrument may have to be woken first."""


class EvidenceStatus(Status):
    """A status that carries what was found out, once it has ended well."""

    evidence: Evidence | None = None


def by_counter(name: str, unit: str, value: float, counted: float, tolerance: float) -> Evidence:
    """What a counter shows: all of `value`, nothing of it, or something between, which only a person can judge.

    Args:
        name: of the device.
        unit: of value and count.
        value: what was to be done.
        counted: what the counter shows beyond what it showed before.
        tolerance: error of the counter; never more than a third of `value`, or all and nothing would be the same.
    """
    words = f"{name} counts {counted:g} of {value:g} {unit}"
    allowed = min(max(tolerance, 1e-9), abs(value) / 3)
    if abs(counted - value) <= allowed:
        return Evidence(state="confirmed", words=words, counted=counted)
    if abs(counted) <= allowed:
        return Evidence(state="absent", words=words, counted=counted)
    return Evidence(state="unknown", words=words, counted=counted)


def by_table(act: Act, ask: Callable[[str], Evidence | None], command_id: str) -> Evidence:
    """What the instrument's own table of commands reports, asked until the command is not under way any more."""
    for _ in act.poll(OUTCOME_POLL_S):
        evidence = ask(command_id)
        if evidence is not None:
            return evidence
    raise AssertionError("unreachable")


def without_asking(name: str, kind: Reconcile, doing: str) -> Evidence:
    """What is known of an instrument that cannot be asked."""
    if kind == "by_state":
        return Evidence(state="absent", words=f"{name}: {doing} it again is harmless")
    return Evidence(state="unknown", words=f"{name}: it cannot be asked whether it did")


def axis_mistakes(name: str, keywords: dict[str, Any], driver: type[Any]) -> list[str]:
    """What is wrong with the declarations of one axis."""
    found = []
    kind = keywords.get("reconcile", "ask")
    if kind not in KINDS:
        found.append(f"{name} has reconcile={kind!r}, which is none of {', '.join(KINDS)}")
    for key in ("ready", "counter", "quiet", "outcome"):
        method = keywords.get(key)
        if method and not callable(getattr(driver, method, None)):
            found.append(f"{name} names {key}={method!r}, but there is no such method")
    needs = {"by_counter": ("counter", "quiet"), "by_command_id": ("outcome",)}.get(kind, ())
    found += [f"{name} is reconciled {kind}, but names no {key}" for key in needs if not keywords.get(key)]
    if kind == "by_counter" and keywords.get("holds"):
        found.append(f"{name} holds a set-point, so it is not reconciled by_counter; say by_state")
    return found


def measuring_mistakes(driver: Any, base: Any) -> list[str]:
    """What is wrong with how measurements are reconciled."""
    kind = driver.measuring
    if kind not in KINDS:
        return [f"measuring={kind!r} is none of {', '.join(KINDS)}"]
    if kind == "by_counter":
        return ["a measurement leaves a value, not an amount: measuring is by_command_id, by_state or ask"]
    if kind != "by_command_id":
        return []
    found = []
    if driver.measure_outcome is base.measure_outcome:
        found.append("measuring is by_command_id, but it has no measure_outcome(command_id)")
    if not {"command_id", "epoch"} <= set(inspect.signature(driver.trigger).parameters):
        found.append('measuring is by_command_id, but its trigger does not take command_id="" and epoch=0')
    return found
