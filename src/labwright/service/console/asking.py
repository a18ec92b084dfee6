"""The form of a request: made from what the lab offers, looked at while it is filled in, and never lost."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, get_args

import httpx
from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from labwright.model.desk import Priority
from labwright.model.reactivity import GROUPS
from labwright.service.console.inside import Inside, inside
from labwright.service.console.labels import Words
from labwright.service.console.live import page
from labwright.service.console.look import look_of
from labwright.service.console.page import PageRoute, Shown, fragment, rendered
from labwright.service.console.requests import writable
from labwright.service.console.typed import (
    KINDS,
    NUMBERS,
    ROWS_MOST,
    SAMPLES_MOST,
    Offer,
    Typed,
    Written,
    kind_of,
    paste,
    typed_of,
    written,
)
from labwright.service.desk import requests
from labwright.service.desk.rules import COUNTED, CUBED, WEIGHED
from labwright.service.gate import Asker
from labwright.service.problems import Problem
from labwright.service.requesting.changing import seen
from labwright.service.requesting.offering import capabilities
from labwright.service.rights import DataClass, Resource
from labwright.service.state import Asking, Here, Service
from labwright.service.versions import etag

router = APIRouter(include_in_schema=False, route_class=PageRoute)

FIELDS_MOST = 5000
"""Of the form: a sample has a dozen, an experiment of a list one for each parameter."""

CAMPAIGN_FIELDS = ("objective.", "more", "planner", "budget", "replicates")

UNITS = (*sorted(CUBED), *sorted(WEIGHED), *sorted(COUNTED))

CHOICES: Mapping[str, Any] = {
    "kinds": KINDS,
    "numbers": NUMBERS,
    "rows_most": ROWS_MOST,
    "samples_most": SAMPLES_MOST,
    "priorities": get_args(Priority),
    "data_classes": get_args(DataClass),
    "groups": GROUPS,
    "units": UNITS,
    "goals": ("max", "min", "target", "range"),
    "sample_forms": ("solid", "powder", "liquid", "solution", "film", "device"),
    "dispositions": ("return", "store", "destroy"),
    "exports": ("not_controlled", "unreviewed", "controlled"),
}
"""What there is to choose from, besides what the lab offers."""


def new(service: Service, asker: Asker, words: Words, request: Request) -> Shown:
    """What the lab offers; with a protocol chosen, the form."""
    offered = capabilities(service)
    projects = writable(asker.who)
    name = request.query_params.get("protocol", "")
    if not name:
        service.gate.need(asker, "key.own", Resource("key"))  # those who have a role here
        return Shown(words("request.offered"), "offers", {"offered": offered, "kinds": KINDS if projects else ()})
    if not projects:
        service.gate.need(asker, "request.write", Resource("request"))
    given = request.query_params
    typed = Typed((key, given[key]) for key in ("protocol", "kind", "rows", "samples", "project") if key in given)
    offer = _offer(offered, name)
    _begin(typed, offer, projects)
    return _form(words, offered, offer, typed, projects)


def edit(service: Service, asker: Asker, words: Words, request: Request) -> Shown:
    """The form of a request that is there."""
    name = str(request.path_params["name"])
    row = seen(service, asker, name)
    service.gate.need(asker, "request.write", service.owned.request(row))
    with service.door.reading() as connection:
        shown = requests.shown(connection, row)
    offered = capabilities(service)
    content = shown["content"]
    offer = _offer(offered, content["protocol"]["name"])
    typed = typed_of(content, offer)
    typed.put("_version", etag(shown))
    return _form(words, offered, offer, typed, [row["project"]], request=shown)


@router.post("/requests/new/check")
async def check(service: Here, asker: Asking, request: Request) -> Response:
    """What the lab finds of what is typed so far, as parts of the form."""
    words = Words(look_of(request).language)
    typed = await _typed(request)
    offered = await to_thread.run_sync(capabilities, service)
    found = written(typed, _offer(offered, typed.one("protocol")))
    empty, content = _filled_up(found)
    async with inside(request, asker) as routes:
        look = _looked(found, await routes.ask("POST", "/v1/requests:validate", content))
    quiet = [name for name in look["mistakes"] if not _filled(typed, name)]
    look["mistakes"] = {name: words for name, words in look["mistakes"].items() if name not in quiet}
    look |= {"empty": [*empty, *quiet], "fields": sorted(set(found.places.values()) | {"more", "csv"})}
    return HTMLResponse(fragment("form/checked.html", words, **look, fid=_fid))


@router.post("/requests/new")
@router.post("/requests/{name}/edit")
async def save(service: Here, asker: Asking, request: Request, name: str = "") -> Response:
    """Keep what the form asks for as a draft, or hand it in; or show the form again, as it was filled in."""
    typed = await _typed(request)
    offered = await to_thread.run_sync(capabilities, service)
    offer = _offer(offered, typed.one("protocol"))
    act, _, more = typed.one("do", "check").partition(":")
    data: dict[str, Any] = {}
    status = 200
    async with inside(request, asker) as routes:
        if act in ("save", "submit"):
            found = written(typed, offer)
            answer = await _kept(routes, found, typed, name)
            if not answer.is_error and not found.mistakes:
                name = answer.json()["id"]
                if act == "save" or "submit" not in answer.json()["possible"]:
                    return RedirectResponse(f"/requests/{name}", 303)
                typed.put("_version", answer.headers["etag"])
                key = f"{typed.one('_key')}-submit"
                answer = await routes.ask("POST", f"/v1/requests/{name}/submit", {"note": typed.one("note")}, key=key)
                if not answer.is_error:
                    return RedirectResponse(f"/requests/{name}", 303)
                data["kept"] = name
            data |= _looked(found, answer)
            status = answer.status_code if answer.is_error else 422
            if answer.status_code == 412 and name:  # saving again is a decision, about what is there now
                typed.put("_version", (await routes.ask("GET", f"/v1/requests/{name}")).headers["etag"])
        elif act == "check":
            found = written(typed, offer)
            data |= _looked(found, await routes.ask("POST", "/v1/requests:validate", found.content))
        else:
            data |= {"mistakes": _changed(typed, offer, act, more)}
    words = Words(look_of(request).language)

    def shown() -> Response:
        projects = writable(asker.who)
        there: dict[str, Any] = {}
        if name:
            with service.door.reading() as connection:
                there = requests.shown(connection, seen(service, asker, name))
            projects = [there["project"]]
        return rendered(
            service, asker, request, _form(words, offered, offer, typed, projects, request=there, **data), status
        )

    return await to_thread.run_sync(shown)


async def _typed(request: Request) -> Typed:
    async with request.form(max_files=0, max_fields=FIELDS_MOST) as form:
        return Typed((name, value) for name, value in form.multi_items() if isinstance(value, str))


async def _kept(routes: Inside, found: Written, typed: Typed, name: str) -> httpx.Response:
    """What the route says that keeps a request; one that is no request yet is only looked at."""
    if found.mistakes:
        return await routes.ask("POST", "/v1/requests:validate", found.content)
    if not name:
        return await routes.ask("POST", "/v1/requests", found.content, key=typed.one("_key"))
    version = typed.one("_version")
    return await routes.ask("PUT", f"/v1/requests/{name}", found.content, key=typed.one("_key"), version=version)


def _changed(typed: Typed, offer: Offer, act: str, more: str) -> dict[str, list[str]]:
    """Change the form itself: its kind, or how many rows and samples it has; what is wrong with a pasted table."""
    if act == "kind" and more in KINDS:
        typed.put("kind", more)
        _begin(typed, offer, ())
    elif act == "rows":
        typed.put("rows", str(min(typed.whole("rows", ROWS_MOST) + (5 if more == "5" else 1), ROWS_MOST)))
    elif act == "paste":
        return paste(typed, offer).mistakes
    elif act == "sample":
        typed.put("samples", str(min(typed.whole("samples", SAMPLES_MOST) + 1, SAMPLES_MOST)))
    return {}


def _begin(typed: Typed, offer: Offer, projects: Any) -> None:
    """Fill in what a form begins with: a few rows, and the whole range of each parameter."""
    if len(projects) == 1:
        typed.put("project", projects[0])
    if kind_of(typed) == "list" and not typed.whole("rows", ROWS_MOST) and not typed.one("csv"):
        typed.put("rows", "3")
    if kind_of(typed) != "campaign" or typed.one("planner"):
        return
    typed.put("planner", "gp")
    for one in offer["parameters"]:
        name = f"c.{one['name']}"
        for end in ("low", "high"):
            if end in one:
                typed.put(f"{name}.{end}", f"{one[end]:g}")
        typed.put(f"{name}.values", *(f"{value:g}" for value in one.get("values", ())))
        typed.put(f"{name}.levels", *one.get("levels", ()))
        typed.put(f"{name}.log", "true" if one.get("log") else "")


def _filled_up(found: Written) -> tuple[list[str], dict[str, Any]]:
    """Fields that are empty as yet, and the request with something in them, so that the lab looks at the rest."""
    empty = [name for name in ("title", "contact") if not found.content[name]]
    content = found.content | dict.fromkeys(empty, "–")
    if "export_control" not in content:
        empty.append("export.status")
        content["export_control"] = {"status": "not_controlled"}
    return empty, content


def _offer(offered: Mapping[str, Any], name: str) -> Offer:
    for one in offered["protocols"]:
        if one["name"] == name:
            found: Offer = one
            return found
    known = ", ".join(one["name"] for one in offered["protocols"]) or "none"
    raise Problem("invalid", f"no protocol {name[:64]!r} is offered; offered is {known}")


def _looked(found: Written, answer: httpx.Response) -> dict[str, Any]:
    """What an answer finds wrong with a form, by its fields, and the quote."""
    body = answer.json()
    mistakes = {name: list(words) for name, words in found.mistakes.items()}
    general: list[str] = []
    problems = body.get("errors" if answer.is_error else "problems", ())
    for one in problems:
        if name := found.field_of(one.get("pointer", "")):
            run = one["pointer"].split("/")[2] if one["pointer"].startswith("/runs/") and name == "csv" else ""
            words = f"experiment {int(run) + 1}: {one['detail']}" if run.isdecimal() else one["detail"]
            mistakes.setdefault(name, []).append(words)
        else:
            general.append(f"{one.get('pointer', '')} {one['detail']}".strip())
    if answer.is_error and not problems:
        general.append(str(body.get("detail", "")))
    return {
        "mistakes": mistakes,
        "general": general,
        "refused": body.get("code", "") if answer.is_error else "",
        "quote": body.get("quote"),
        "needs": body.get("needs"),
        "looked": True,
    }


def _filled(typed: Typed, name: str) -> bool:
    """Whether something was typed into a field; a whole row or sample counts as filled."""
    return bool(typed.one(name)) or bool(typed.beginning(f"{name}."))


def _fid(name: str) -> str:
    """The part of an element's id that names a field."""
    return name.replace(".", "-")


def _form(
    words: Words,
    offered: Mapping[str, Any],
    offer: Offer,
    typed: Typed,
    projects: list[str],
    *,
    request: Mapping[str, Any] | None = None,
    **data: Any,
) -> Shown:
    """The form, as it was filled in."""
    kind = kind_of(typed)
    others = {"one": ("p.",), "list": ("r.", "csv", "rows"), "campaign": ("c.", *CAMPAIGN_FIELDS)}
    unseen = tuple(start for other, starts in others.items() if other != kind for start in starts)
    title = offer["title"] or offer["name"]
    name = request["id"] if request else ""
    return Shown(
        f"{name} {request['title']}" if request else words("form.title", protocol=title),
        "form",
        {
            "offered": offered,
            "offer": offer,
            "typed": typed,
            "kind": kind,
            "projects": projects,
            "request": request or None,
            "action": f"/requests/{name}/edit" if name else "/requests/new",
            "hidden": typed.beginning(*unseen),
            "fid": _fid,
            "mistakes": {},
            "general": [],
            "refused": "",
            "quote": None,
            "needs": None,
            "looked": False,
            "kept": "",
            "empty": [],
            "key": uuid.uuid4().hex,
            **CHOICES,
            **data,
        },
    )


page(router, "/requests/new", new)
page(router, "/requests/{name}/edit", edit)
