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


def listened(wire: Wire, after: int | None, campaign: str) -> Iterator[Event]:
    """Events as they are recorded, for ever.

    Args:
        wire: to the service.
        after: id of the last event that is known; only new ones if None.
        campaign: id of the only one that is listened to; all if empty.

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
            error: Exception | None = None  # the service has ended the stream: it ends, or its client was too slow
        except (httpx.TransportError, ServiceError) as lost:
            error = lost
        lost_s = time.monotonic() if lost_s is None else lost_s
        if time.monotonic() - lost_s > wire.patience_s:
            raise UnreachableServiceError(
                f"the event stream of {wire.url} is lost after event {last}, and was not there again within "
                f"{wire.patience_s:g} s: {error or 'it ends'}. Continue with after={last}"
            ) from error
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
