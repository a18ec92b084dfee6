"""The event stream of a service, resumed where it was lost."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx

from labwright.client.answers import Event
from labwright.client.errors import ServiceError, UnreachableServiceError
from labwright.client.wire import AGAIN_MOST_S, AGAIN_S, Wire

OVER = frozenset({"completed", "stopped", "failed"})
"""States of a campaign that does nothing more."""


def listened(wire: Wire, after: int | None, campaign: str, *, until_over: bool) -> Iterator[Event]:
    """Events as they are recorded.

    Args:
        wire: to the service.
        after: id of the last event that is known; only new ones if None.
        campaign: id of the only one that is listened to; all if empty.
        until_over: end with that campaign.

    Raises:
        ProblemError: the service refuses.
        UnreachableServiceError: it is not there again within the wire's patience.
    """
    last, lost_s, wait_s = after, None, AGAIN_S
    while True:
        try:
            for event in _stream(wire, last, campaign):
                lost_s, wait_s = None, AGAIN_S
                if event is not None:
                    last = event.id
                    yield event
                if until_over and _over(wire, campaign, last):
                    yield from _rest(wire, campaign, last)
                    return
            error: Exception = UnreachableServiceError(f"{wire.url} has ended the stream")
        except (httpx.TransportError, ServiceError) as lost:
            error = lost
        now_s = time.monotonic()
        lost_s = now_s if lost_s is None else lost_s
        if now_s - lost_s > wire.patience_s:
            raise UnreachableServiceError(f"the stream of {wire.url} is lost after event {last}: {error}") from error
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, AGAIN_MOST_S)


def _stream(wire: Wire, after: int | None, campaign: str) -> Iterator[Event | None]:
    """Events of one connection; None where the service says that it is still there."""
    headers = {"Accept": "text/event-stream", **({} if after is None else {"Last-Event-ID": str(after)})}
    with wire.stream("/v1/events", query={"campaign": campaign}, headers=headers) as answer:
        wire.refuse(answer)
        yield None
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            if line.startswith(":"):
                yield None
            elif line:
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value
            elif "data" in fields:
                yield _event(fields)
                fields = {}


def _event(fields: dict[str, str]) -> Event:
    data: dict[str, Any] = json.loads(fields["data"])
    times = {"lab_time_s": data.pop("at_s", 0.0), "wall_time_s": data.pop("wall_s", 0.0)}
    return Event(
        id=int(fields["id"]), kind=fields.get("event", ""), campaign=data.pop("campaign", ""), data=data, **times
    )


def _over(wire: Wire, campaign: str, last: int | None) -> bool:
    """Whether the campaign is over, as its list says."""
    return wire.get("/v1/campaigns", name=campaign, limit=1)["items"][0]["state"] in OVER


def _rest(wire: Wire, campaign: str, last: int | None) -> Iterator[Event]:
    """What was recorded while it was looked at."""
    after = last or 0
    while True:
        page = wire.get(f"/v1/campaigns/{campaign}/events", cursor=after)
        for one in page["items"]:
            known = ("id", "kind", "campaign", "lab_time_s", "wall_time_s")
            yield Event(**{name: one[name] for name in known}, data={k: v for k, v in one.items() if k not in known})
        if page["next"] is None:
            return
        after = page["next"]
