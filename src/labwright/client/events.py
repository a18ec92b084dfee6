"""Event streams of a service, resumed where they were lost."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import httpx

from labwright.client.answers import Event
from labwright.client.errors import ServiceError, UnreachableServiceError
from labwright.client.wire import AGAIN_MOST_S, AGAIN_S, ANSWER_S, Wire

Heard = TypeVar("Heard")

SHORTEST_S = 0.05
"""Wall seconds for which a stream is listened to at least."""


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
    heard = resumed(wire, "/v1/events", after, _event, query={"campaign": campaign})
    return (event for event in heard if event is not None)


def resumed(
    wire: Wire,
    path: str,
    after: int | None,
    read: Callable[[dict[str, str]], Heard],
    *,
    query: Mapping[str, Any] | None = None,
    ends_s: float | None = None,
) -> Iterator[Heard | None]:
    """What a stream says, without a gap; None now and then where it says nothing.

    Args:
        wire: to the service.
        path: of the stream.
        after: id of the last event that is known; as the stream has it if None.
        read: an event from its fields.
        query: of the path.
        ends_s: of the monotonic clock: when it is listened to no longer; never if None.

    Raises:
        ProblemError: the service refuses.
        UnreachableServiceError: it is not there again within the wire's patience.
    """
    last, lost_s, wait_s = after, None, AGAIN_S
    while not _over(ends_s):
        error: Exception | None = None  # the service may end the stream: it ends itself, or its client was too slow
        try:
            for fields in _stream(wire, path, query or {}, last, ends_s):
                lost_s, wait_s = None, AGAIN_S
                if fields is not None:
                    last = int(fields["id"])
                yield None if fields is None else read(fields)
                if _over(ends_s):
                    return
        except (httpx.TransportError, ServiceError) as lost:
            error = lost
        if _over(ends_s):
            return
        lost_s = time.monotonic() if lost_s is None else lost_s
        if time.monotonic() - lost_s > wire.patience_s:
            raise UnreachableServiceError(
                f"the event stream of {wire.url} is lost after event {last}, and was not there again within "
                f"{wire.patience_s:g} s: {error or 'it ends'}. Continue with after={last}"
            ) from error
        time.sleep(wait_s)
        wait_s = min(2 * wait_s, AGAIN_MOST_S)


def _over(ends_s: float | None) -> bool:
    return ends_s is not None and time.monotonic() >= ends_s


def _stream(
    wire: Wire, path: str, query: Mapping[str, Any], after: int | None, ends_s: float | None
) -> Iterator[dict[str, str] | None]:
    """Fields of the events of one connection; None where the service says that it is still there."""
    headers = {"Accept": "text/event-stream", **({} if after is None else {"Last-Event-ID": str(after)})}
    quiet_s = ANSWER_S if ends_s is None else min(ANSWER_S, max(SHORTEST_S, ends_s - time.monotonic()))
    with wire.stream(path, query=query, headers=headers, quiet_s=quiet_s) as answer:
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
                yield fields
                fields = {}


def _event(fields: dict[str, str]) -> Event:
    data: dict[str, Any] = json.loads(fields["data"])
    times = {"lab_time_s": data.pop("at_s", 0.0), "wall_time_s": data.pop("wall_s", 0.0)}
    return Event(
        id=int(fields["id"]), kind=fields.get("event", ""), campaign=data.pop("campaign", ""), data=data, **times
    )
