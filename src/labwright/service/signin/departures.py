"""Browsers that are at an OpenID provider to sign in."""

from __future__ import annotations

import secrets
import threading
import time
from dataclasses import dataclass

from labwright.service.signin.issuer import Leaving

AWAY_S = 600.0
"""Wall seconds that a person may take at the provider."""

AWAY_MOST = 2000
"""Browsers that may be there at once."""


@dataclass(frozen=True)
class _Away:
    since_s: float
    leaving: Leaving
    back: str


class Departures:
    """Browsers that are at the provider, by a secret in a cookie of theirs: only these may come back with a code."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._away: dict[str, _Away] = {}

    def add(self, leaving: Leaving, back: str) -> str:
        """Remember a browser; the secret."""
        secret, now_s = secrets.token_urlsafe(32), time.monotonic()
        with self._lock:
            self._away = {key: one for key, one in self._away.items() if one.since_s > now_s - AWAY_S}
            if len(self._away) >= AWAY_MOST:
                del self._away[next(iter(self._away))]
            self._away[secret] = _Away(now_s, leaving, back)
        return secret

    def take(self, secret: str, state: str) -> tuple[Leaving, str] | None:
        """What was remembered of a browser, once; None if it was not here, or comes with another's answer."""
        with self._lock:
            one = self._away.pop(secret, None)
        if one is None or one.since_s < time.monotonic() - AWAY_S:
            return None
        return (one.leaving, one.back) if secrets.compare_digest(one.leaving.state, state) else None
