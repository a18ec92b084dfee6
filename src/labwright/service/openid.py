"""Signing in with a browser at an OpenID provider: there, and back with a code."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from labwright.service.bodies import StrictRoute
from labwright.service.gate import ANONYMOUS, Asker, address_of
from labwright.service.origin import local_path
from labwright.service.problems import Problem
from labwright.service.signin.cookies import put_cookie
from labwright.service.signin.departures import AWAY_S
from labwright.service.signin.federated import person_of
from labwright.service.signin.issuer import Issuer
from labwright.service.signing_in import begin
from labwright.service.state import Here, Service

router = APIRouter(prefix="/v1/session/oidc", route_class=StrictRoute, tags=["sessions"])

PLACE = "/v1/session/oidc"


@router.get("", name="oidc", status_code=303)
def go(service: Here, next: Annotated[str, Query(max_length=1000)] = "/") -> Response:
    """Go to the lab's OpenID provider to sign in; `next` is the path here at which to go on."""
    leaving = _issuer(service).leave()
    secret = service.departures.add(leaving, local_path(next))
    response = Response(status_code=303, headers={"Location": leaving.url})
    response.set_cookie(
        _cookie(service), secret, max_age=int(AWAY_S), path="/", secure=service.settings.secure, httponly=True,
        samesite="lax",
    )  # fmt: skip
    return response


@router.get("/callback", name="oidc_callback", status_code=303)
def come(
    service: Here,
    request: Request,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4000)] = "",
    iss: Annotated[str, Query(max_length=1000)] = "",
    error: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Come back from the provider; the answer sets the cookie of a new session."""
    issuer = _issuer(service)
    asker = Asker(ANONYMOUS, str(request.state.trace), address_of(request.scope))
    taken = service.departures.take(request.cookies.get(_cookie(service), ""), state)
    if taken is None or error or not code or iss not in ("", issuer.provider.issuer):
        words = (
            f"the provider says {error[:100]!r}" if taken and error else "this sign-in was not started here, or is over"
        )
        service.gate.refuse_wrong(asker, "no OpenID sign-in")
        raise Problem("unauthenticated", f"{words}; start again at {PLACE}")
    leaving, back = taken
    claims = issuer.came(code, leaving)
    who = person_of(service.door, issuer.provider, claims)
    granted = issuer.provider.granted(claims.get(issuer.provider.groups_claim))
    made = begin(service, request, asker, who, "oidc", granted)
    response = Response(status_code=303, headers={"Location": back})
    response.delete_cookie(_cookie(service), path="/", secure=service.settings.secure, httponly=True, samesite="lax")
    return put_cookie(response, service.settings, made)


def _issuer(service: Service) -> Issuer:
    """The lab's provider, if browsers can sign in there.

    Raises:
        Problem: they cannot.
    """
    if service.issuer is None or service.issuer.provider.callback is None:
        raise Problem(
            "not_found", "no OpenID provider is configured here for browsers; sign in with a key or a password"
        )
    return service.issuer


def _cookie(service: Service) -> str:
    return f"{service.settings.cookie}-oidc"
