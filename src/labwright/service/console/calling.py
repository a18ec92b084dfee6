"""Forms of pages: each is sent on, as JSON, to the route that programs use, with the same rights, limits and audit."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from datetime import time as clock
from typing import Any
from urllib.parse import quote

import httpx
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from labwright.service.console.frame import zone_of
from labwright.service.console.inside import Inside, inside
from labwright.service.console.labels import Words
from labwright.service.console.look import look_of
from labwright.service.console.page import PageRoute, Shown, fragment, rendered
from labwright.service.console.undoing import may_undo, place_before, undo_of
from labwright.service.origin import local_path
from labwright.service.problems import Problem
from labwright.service.state import Asking, Here

router = APIRouter(include_in_schema=False, route_class=PageRoute)

FIELDS_MOST = 1000

ANSWER_S = 10.0
"""Wall seconds that the answer to a command is waited for; then it is said that the controller has it."""

LOOK_S = 0.1

FIELD = re.compile(r"\{(\w+)\}")
"""Of an answer, in a path that is shown once."""

METHODS = ("POST", "PUT", "DELETE")


@router.post("/call/{method}/{path:path}")
async def call(service: Here, asker: Asking, request: Request, method: str, path: str) -> Response:
    """Do what a form says.

    Its fields become the JSON body: ``a.b`` is ``b`` within ``a``; ``a:int``, ``a:float``, ``a:bool``, ``a:json``,
    ``a:day`` (its end in the lab's zone), ``a:moment`` (a time there) and ``a:list`` (words with blanks between;
    several of a name are one list) say what is no text. Fields of our own: ``_key`` (the Idempotency-Key),
    ``_version`` (If-Match), ``_next`` (where the browser goes then), ``_back`` (where it goes then if it runs no
    scripts), ``_done`` (the key of what is said then), ``_once`` (what of the answer is shown, once and never again:
    the name of a field, or a path with ``{name}`` in it) and ``_at_x`` (what stands in the path for ``:x``).
    """
    words = Words(look_of(request).language)
    if method not in METHODS or not path.startswith("v1/"):
        raise Problem("not_found", f"nothing is at {request.url.path[:200]}")
    async with request.form(max_files=0, max_fields=FIELDS_MOST) as form:
        fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    own = {name: value for name, value in fields if name.startswith("_")}
    zone = look_of(request, zone_of(service)).zone
    body = body_of([(name, value) for name, value in fields if not name.startswith("_")], zone)
    async with inside(request, asker) as routes:
        raw = request.scope["raw_path"].decode("ascii").removeprefix(f"/call/{method}")  # with what was escaped in it
        raw = _with_places(raw, own)
        before = await place_before(routes, method, raw, body)
        answer = await routes.ask(method, raw, body, key=own.get("_key", ""), version=own.get("_version", ""))
        if answer.status_code == 202:
            answer = await _answered(routes, answer)
    told = _told(words, answer, own.get("_done", ""))
    if told["ok"] and own.get("_done") != "undone" and answer.content:
        undo = undo_of(method, raw, body, answer.json(), before)
        if undo is not None and await asyncio.to_thread(may_undo, service, asker, undo):
            told["undo"] = undo
    if told["ok"] and own.get("_once"):
        told["once"] = _once(request, answer, own["_once"])
    ahead = local_path(own.get("_next") or own.get("_back", ""))
    if request.headers.get("hx-request") == "true":
        said: Response = HTMLResponse(fragment("said.html", words, told=told, empty=str))
        if told["ok"] and "_next" in own:
            said.headers["HX-Redirect"] = ahead
    elif told["ok"] and not told["once"]:
        said = RedirectResponse(ahead, 303)
    else:
        title = words("done") if told["ok"] else words("refused")
        shown = Shown(title, "told", {"told": told, "back": ahead, "empty": str})
        said = await asyncio.to_thread(rendered, service, asker, request, shown, answer.status_code)
    for cookie in answer.headers.get_list("set-cookie"):
        said.headers.append("Set-Cookie", cookie)
    return said


def body_of(fields: list[tuple[str, str]], zone: tzinfo | None = None) -> dict[str, Any]:
    """The JSON that a form's fields stand for; what was left empty is left out.

    Args:
        fields: names and texts.
        zone: of the lab, in which days end; the machine's own if None.

    Raises:
        Problem: a field is not what its name says.
    """
    body: dict[str, Any] = {}
    for name, text in fields:
        place, _, kind = name.partition(":")
        if text == "":
            continue
        *above, last = place.split(".")
        within = body
        for part in above:
            within = within.setdefault(part, {})
            if not isinstance(within, dict):
                raise _wrong(place, f"{part} is a value already, and holds no {last}")
        value = _read(place, kind, text, zone)
        within[last] = [*within[last], *value] if kind == "list" and isinstance(within.get(last), list) else value
    return body


def _read(place: str, kind: str, text: str, zone: tzinfo | None) -> Any:
    try:
        if kind == "int":
            return int(text)
        if kind == "float" and math.isfinite(number := float(text)):
            return number
        if kind == "bool":
            return text == "true"
        if kind == "json":
            return json.loads(text)
        if kind == "list":
            return text.split()
        if kind == "day":
            ends = datetime.combine(date.fromisoformat(text), clock.max.replace(microsecond=0), zone)
            return (ends if zone else ends.astimezone()).isoformat()
        if kind == "moment":
            at = datetime.fromisoformat(text).replace(tzinfo=zone)
            return (at if zone else at.astimezone()).isoformat()
        if not kind:
            return text
    except ValueError:
        pass
    words = {"int": "a whole number", "float": "a number", "json": "JSON", "day": "a day, as 2027-03-31",
             "moment": "a time, as 2027-03-31T09:00"}  # fmt: skip
    raise _wrong(place, f"{text[:100]!r} is not {words.get(kind, 'a kind of field')}")


def _wrong(place: str, detail: str) -> Problem:
    mistake = {"pointer": "/" + place.replace(".", "/"), "code": "value", "detail": detail}
    return Problem("invalid", f"{place}: {detail}", [mistake])


async def _answered(routes: Inside, answer: httpx.Response) -> httpx.Response:
    """What the controller has answered to a command, or that it has it."""
    ends_s = time.monotonic() + ANSWER_S
    while time.monotonic() < ends_s:
        await asyncio.sleep(LOOK_S)
        found = await routes.ask("GET", answer.headers["Location"])
        if found.json().get("state") != "waiting":
            return found
    return answer


def _with_places(path: str, own: Mapping[str, str]) -> str:
    """A path with what a form says in the place of each ``:x``.

    Raises:
        Problem: the form does not say it.
    """
    parts = path.split("/")
    for n, part in enumerate(parts):
        if part.startswith(":"):
            said = own.get(f"_at_{part[1:]}", "").strip()
            if not said or said in (".", ".."):
                raise _wrong(part[1:], "name it")
            parts[n] = quote(said, safe="")
    return "/".join(parts)


def _once(request: Request, answer: httpx.Response, wanted: str) -> str:
    """What is shown once: a secret, or the whole address of a path at this service; nothing if it was shown before."""
    found = answer.json()
    names = FIELD.findall(wanted)
    if not names:
        text = str(found.get(wanted, ""))
    elif all(found.get(name) for name in names):
        text = FIELD.sub(lambda name: quote(str(found[name[1]]), safe=""), wanted)
    else:
        text = ""
    return f"{str(request.base_url).rstrip('/')}{text}" if text.startswith("/") else text


def _told(words: Words, answer: httpx.Response, done: str) -> dict[str, Any]:
    """What is said to the person."""
    body = answer.json() if answer.content else {}
    if answer.is_error:
        mistakes = [f"{one.get('pointer', '')} {one.get('detail', '')}".strip() for one in body.get("errors", ())]
        return {"ok": False, "words": words.of("problem", body.get("code", "")), "detail": body.get("detail", ""),
                "mistakes": mistakes, "once": "", "undo": None}  # fmt: skip
    state = body.get("state", "")
    if state in ("refused", "withdrawn"):
        return {"ok": False, "words": words.of("problem", "refused"), "detail": body.get("result", ""), "mistakes": [],
                "once": "", "undo": None}  # fmt: skip
    if answer.status_code == 202:
        return {"ok": True, "words": words("handed_over"), "detail": "", "mistakes": [], "once": "", "undo": None}
    return {"ok": True, "words": words.of("done", done, words("done")), "detail": body.get("result", ""),
            "mistakes": [], "once": "", "undo": None}  # fmt: skip
