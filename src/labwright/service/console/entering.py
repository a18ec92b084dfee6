"""Where a person comes in: the first page, signing in and out, and how the console is to look."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from labwright.service.console.frame import places_for
from labwright.service.console.labels import LANGUAGES, Words
from labwright.service.console.look import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, look_of
from labwright.service.console.page import PageRoute, Shown, rendered
from labwright.service.gate import ANONYMOUS
from labwright.service.origin import local_path
from labwright.service.problems import Problem
from labwright.service.state import Asking, Here

router = APIRouter(include_in_schema=False, route_class=PageRoute)

YEAR_S = 31_536_000


@router.get("/")
def first(service: Here, asker: Asking) -> Response:
    """The first page that one may see."""
    if asker.who is ANONYMOUS:
        return RedirectResponse("/sign-in", 303)
    places = places_for(service, asker.who)
    if not places:
        raise Problem("forbidden", f"{asker.who.id} has no role here yet: ask an admin of the lab for one")
    return RedirectResponse(places[0].path, 303)


@router.get("/sign-in")
def sign_in(service: Here, asker: Asking, request: Request, next: str = "/", invitation: str = "") -> Response:
    """The page where a person signs in; an invitation in its address is taken by the button, not by looking."""
    words = Words(look_of(request).language)
    data = {"ahead": local_path(next), "provider": service.issuer is not None, "invitation": invitation}
    return rendered(service, asker, request, Shown(words("sign_in"), "sign_in", data))


@router.post("/look")
def choose(
    request: Request,
    service: Here,
    language: Annotated[str, Form()] = "",
    theme: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    """Have the console look otherwise, in this browser."""
    answer = RedirectResponse(local_path(next), 303)
    chosen = {LANGUAGE_COOKIE: (language, LANGUAGES), THEME_COOKIE: (theme, THEMES)}
    for name, (value, known) in chosen.items():
        if value in known:
            answer.set_cookie(
                name, value, max_age=YEAR_S, samesite="lax", secure=service.settings.secure, httponly=True
            )
    return answer
