"""What happened, when and by whom, in words; from the payloads of the journal, without the engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from labwright.model.figures import lasting, spelled, when
from labwright.model.remarks import AS_MEASURED

Payload = Mapping[str, Any]

QUIET = ("started", "suggested", "granted")
"""Events that are normal; so is the end of a step that is done."""


def told(event: Payload) -> str:
    """What happened, with who and why."""
    match event["kind"]:
        case "started":
            return f"started{_by(event)}: {event['spec']['title']}{learns_words(event.get('earlier', ()))}"
        case "resumed":
            return f"resumed (epoch {event['epoch']}){_by(event)}{_because(event)}"
        case "granted":
            return _granted(event)
        case "suggested":
            return f"next: {_params(event['suggestion'])} ({event['suggestion']['rationale']})"
        case "proposed":
            return f"suggested{_by(event)}: {_params(event['suggestion'])}{_because(event)}"
        case "vetoed":
            return f"vetoed{_by(event)}: {_vetoed(event)}{_because(event)}"
        case "infeasible":
            return f"not tried: {event['reason']}"
        case "not_suggested":
            return f"no suggestion: {event['reason']}"
        case "step_ended":
            return _step(event["outcome"])
        case "step_late":
            running, expected = lasting(event["running_s"]), lasting(event["expected_s"])
            return f"{event['step_id']} is late: it has run for {running}, expected were {expected}"
        case "noted":
            return str(event["words"])
        case "pause_asked" | "resume_asked" | "drain_asked":
            return f"{_DONE[event['kind']]} by {event['by'] or 'an unnamed person'}{_because(event)}"
        case "extended":
            return f"extended to {event['budget']} experiments{_by(event)}{_because(event)}"
        case "stop_asked":
            return f"stopping{' now' if event['now'] else ''}: {event['why']}"
        case "overdue":
            return (
                f"no person has answered {event['question']} in time: its sample is parked, and the question stays open"
            )
        case "deck_checked":
            return f"{event['question']} answered by {event['by']}: {event['answer']}{_because(event)}"
        case "note_written":
            instead = f" in place of {event['replaces']}" if event["replaces"] else ""
            return f"note {event['id']}{instead} by {event['by']}: {event['text']}"
        case "deviation_opened":
            use = "" if event["use"] == AS_MEASURED else f"; to be used: {event['use']}"
            return (
                f"deviation {event['id']} opened by {event['by']} ({event['severity']}, {event['category']}): expected "
                f"{event['expected']}; happened {event['happened']}{use}"
            )
        case "deviation_closed":
            return f"deviation {event['id']} closed by {event['by']}: {event['conclusion']}; to be used: {event['use']}"
        case "station_booked":
            times = f"from {when(event['starts_s'])} to {when(event['ends_s'])} UTC"
            return f"{event['id']}: {event['by']} has station {event['station']} {times}{_because(event)}"
        case "booking_ended":
            return f"booking {event['id']} ended by {event['by']}{_because(event)}"
        case "answered":
            values = {**event.get("readings", {}), **event.get("parameters", {})}
            read = ", ".join(f"{name} = {spelled(value)}" for name, value in values.items())
            with_ = f" with {read}" if read else ""
            return f"{event['question']} answered by {event['by']}: {event['answer']}{with_}{_because(event)}"
    return str(event["kind"])


def learns_words(earlier: Iterable[Payload]) -> str:
    """From which campaigns the planner learns, and on which kind of instruments those were; empty if from none."""
    kinds = {True: " (SIMULATED instruments)", False: " (real instruments)", None: ""}
    named = ", ".join(f"{one['name']}{kinds[one.get('simulated')]}" for one in earlier)
    return f"; the planner learns from {named}" if named else ""


def note(event: Payload) -> str:
    """The same, but empty for what is normal."""
    quiet = (event["kind"] in QUIET and not any(event.get(one) for one in ("prepared", "closed", "lost"))) or (
        event["kind"] == "step_ended" and event["outcome"]["state"] == "done"
    )
    return "" if quiet else told(event)


_DONE = {"pause_asked": "paused", "resume_asked": "resumed", "drain_asked": "draining"}


def _granted(event: Payload) -> str:
    lacking = [begun["lacking"] for begun in event["begins"] if begun["lacking"]]
    closed = [f"waits for {event['closed']}"] if event.get("closed") else []
    steps = [f"starts {', '.join(event['steps'])}"] if event["steps"] else []
    prepared = [
        f"{one['protocol']}: what {one['campaign']} has found at {when(one['at_s'])} still holds"
        for one in event.get("prepared", ())
    ]
    why = [f"{label} now, since {words}" for label, words in event.get("why", {}).items()]
    waits = [f"waits: {event[name]}" for name in ("short", "lost") if event.get(name)]
    return "; ".join([*prepared, *closed, *lacking, *steps, *why, *waits]) or "an experiment begins"


def _step(outcome: Payload) -> str:
    if outcome["state"] != "done":
        return f"{outcome['step_id']} {outcome['state']}: {outcome['error']}"
    found = ", ".join(f"{k} {spelled(v)}" for k, v in outcome["results"].items() if isinstance(v, (int, float, str)))
    took = lasting(outcome["ended_s"] - outcome["started_s"])
    return f"{outcome['step_id']} done in {took}" + (f": {found}" if found else "")


def _vetoed(event: Payload) -> str:
    if event["trial"]:
        return f"proposal {event['trial']}"  # in journals before each experiment had one number: its place among all
    reach = event["veto"]["reach"]
    return _params(event["veto"]) + (f", and {100 * reach:g} % of each range around it" if reach else "")


def _params(suggestion: Payload) -> str:
    return ", ".join(f"{k} {spelled(v, 6)}" for k, v in suggestion["params"].items())


def _by(event: Payload) -> str:
    return f" by {event['by']}" if event.get("by") else ""


def _because(event: Payload) -> str:
    return f", reason: {event['because']}" if event.get("because") else ""
