"""The cookie that holds a session."""

from __future__ import annotations

from fastapi import Response

from labwright.service.settings import ServiceSettings
from labwright.service.signin.sessions import NewSession


def put_cookie(response: Response, settings: ServiceSettings, session: NewSession) -> Response:
    """Give a browser its session: no script reads it, and no other site has it sent with what changes something.

    Args:
        response: to the browser.
        settings: how the service is run.
        session: that has just started.
    """
    response.set_cookie(
        settings.cookie, session.secret, path="/", secure=settings.secure, httponly=True, samesite="lax"
    )
    return response


def take_cookie(response: Response, settings: ServiceSettings) -> Response:
    """Have a browser forget its session."""
    response.delete_cookie(settings.cookie, path="/", secure=settings.secure, httponly=True, samesite="lax")
    return response
