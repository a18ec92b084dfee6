"""Pages: each is a view, which finds out what is to be seen, and a folder of templates, one for each region of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any
from urllib.parse import quote

import anyio.to_thread
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException

from labwright._version import __version__
from labwright.model.errors import LabwrightError
from labwright.model.figures import figure, measured, spelled
from labwright.model.unit_signs import unit_of, with_signs
from labwright.service.console.alarms import alarms_now
from labwright.service.console.assets import assets
from labwright.service.console.frame import frame_of, places_for
from labwright.service.console.labels import LANGUAGES, Words
from labwright.service.console.look import THEMES, look_of
from labwright.service.gate import ANONYMOUS, Asker
from labwright.service.problems import Problem, problem_of
from labwright.service.rights import Action, Resource, can
from labwright.service.state import Service

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of every page: nothing inline, nothing evaluated, nothing from elsewhere."""

LIVE = "/live"
"""Ends the path of a page's stream."""


@dataclass(frozen=True)
class Shown:
    """What is to be seen on a page.

    Attributes:
        title: of the page.
        folder: of its templates: ``page.html``, and one for each region.
        data: for the templates.
        regions: parts that change while one looks; each has a template of this name.
        live: whether it follows the lab, although no region of it does.
    """

    title: str
    folder: str
    data: Mapping[str, Any] = field(default_factory=dict)
    regions: tuple[str, ...] = ()
    live: bool = False


View = Callable[[Service, Asker, Words, Request], Shown]
"""Finds out what is to be seen; in a thread, since it reads databases."""


class PageRoute(APIRoute):
    """A route for people: what is refused is a page, too, and who is not signed in is asked to sign in."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As FastAPI's, with pages for problems."""
        handle = super().get_route_handler()

        async def shown(request: Request) -> Response:
            try:
                return await handle(request)
            except Problem as error:
                problem = error
            except LabwrightError as error:
                problem = problem_of(error)
            except RequestValidationError:
                problem = Problem("not_found", f"nothing is at {request.url.path[:200]}")
            except HTTPException as error:
                if not isinstance(error.__cause__, Problem):
                    raise
                problem = error.__cause__
            return await anyio.to_thread.run_sync(refused, request, problem)

        return shown


def rendered(service: Service, asker: Asker, request: Request, shown: Shown, status: int = 200) -> Response:
    """A whole page.

    Args:
        service: whose it is.
        asker: who looks.
        request: for it.
        shown: what is to be seen.
        status: of HTTP.
    """
    template = environment().get_template(f"{shown.folder}/page.html")
    text = template.render(_context(service, asker, request, shown))
    return HTMLResponse(text, status, {"Content-Security-Policy": POLICY})


def regions_of(service: Service, asker: Asker, request: Request, shown: Shown) -> dict[str, str]:
    """The regions of a page by themselves, as HTML by name; as `rendered`."""
    # The browser gives a key to a form that comes without: so a region is the same as long as nothing changes.
    context = {**_context(service, asker, request, shown), "new_key": lambda: ""}
    found = {name: environment().get_template(f"{shown.folder}/{name}.html").render(context) for name in shown.regions}
    return found | {"alarm-bar": environment().get_template("alarm_bar.html").render(context)}


def refused(request: Request, problem: Problem) -> Response:
    """The page of a problem; or the one for signing in, where that helps."""
    if problem.code == "unauthenticated" and request.method == "GET":
        return RedirectResponse(f"/sign-in?next={quote(_here(request), safe='')}", 303)
    service: Service = request.app.state.service
    words = Words(look_of(request).language)
    trace = str(getattr(request.state, "trace", ""))
    try:
        asker = service.gate.asker(request)  # who may not do this finds the way to what may be done
    except Problem:
        asker = Asker(ANONYMOUS, trace)
    title = words("refused.page") if request.method == "GET" else words("refused")
    shown = Shown(title, "refused", {"problem": problem, "trace": trace})
    answer = rendered(service, asker, request, shown, problem.status)
    answer.headers.update(problem.headers)
    return answer


def fragment(name: str, words: Words, **data: Any) -> str:
    """A template by itself, with what it needs.

    Args:
        name: of the template.
        words: of the reader.
        data: for it.
    """
    return environment().get_template(name).render({**data, "t": words})


def _context(service: Service, asker: Asker, request: Request, shown: Shown) -> dict[str, Any]:
    frame = frame_of(service)
    look = look_of(request, frame.zone)
    words = Words(look.language)

    def may(action: Action, kind: Any = "lab", **of: Any) -> bool:
        return bool(can(asker.who, action, Resource(kind, **of)))

    here = _here(request)
    path, _, query = here.partition("?")
    return {
        "t": words,
        "look": look,
        "languages": LANGUAGES,
        "themes": THEMES,
        "frame": frame,
        "places": places_for(service, asker.who),
        "who": asker.who,
        "signed_in": asker.who is not ANONYMOUS,
        "may": may,
        "path": path,
        "here": here,
        "alarm_list": alarms_now(service, words) if may("lab.read") else [],
        "live": f"{path}{LIVE}{f'?{query}' if query else ''}" if shown.regions or shown.live else "",
        "asset": lambda name: assets()[name].path,
        "new_key": lambda: uuid.uuid4().hex,
        "now_s": time.time(),
        "measured": measured,
        "version": __version__,
        "title": shown.title,
        **shown.data,
    }


def _here(request: Request) -> str:
    """Path and query of the page that a request is for, or whose stream it is."""
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{request.url.path.removesuffix(LIVE)}{query}"


@cache
def environment() -> Environment:
    """Where the templates are."""
    found = Environment(
        loader=PackageLoader("labwright.service.console", "templates"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, auto_reload=False,
    )  # fmt: skip
    found.filters.update(figure=figure, spelled=spelled, part=partial(quote, safe=""), unit=unit_of, signs=with_signs)
    return found
