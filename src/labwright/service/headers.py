"""Headers of every answer, and how many a request may have."""

from __future__ import annotations

from labwright.service.problems import Problem

HEAD_MOST = 65_536
"""Bytes of a request line with its headers."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""Of every answer that has no other: none is a page, and none is kept."""

TLS_HEADERS = {"Strict-Transport-Security": "max-age=31536000"}
"""Where browsers reach it with TLS."""


def too_large_a_head() -> Problem:
    """A request line and headers that are larger than `HEAD_MOST`."""
    words = f"a request line with its headers has at most {HEAD_MOST} bytes"
    return Problem("headers_too_large", words, headers={"Connection": "close"})
