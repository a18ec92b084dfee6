"""How often one may ask: so that no program, and no guesser, takes what others need. Stopping the lab is never limited.

Counted in memory, in each process for itself: a service that is started again counts from zero.
"""

from __future__ import annotations

import math
import re
import time
from typing import Literal

from limits import RateLimitItemPerMinute, RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from labwright.service.problems import Problem
from labwright.service.settings import Rates

What = Literal["key", "address", "expensive", "wrong", "wrong_for"]
"""``key``: all that is asked with a key or session; ``address``: without; ``expensive``: what takes seconds of a
processor; ``wrong``: what opens nothing, by address; ``wrong_for``: wrong passwords, by person."""

WRONG_S = 300
"""Wall seconds over which what opens nothing is counted."""

AT_A_TIME = 8
"""Expensive requests that are worked on at once: so many threads of forty, and no more."""

OF_ONE_AT_A_TIME = 4
"""The same, of one key, session or address: a slow reader of large answers does not keep all others waiting."""

_NEVER = re.compile(
    r"/healthz|/readyz|/v1/lab/stop|/v1/campaigns/[^/]+/(stop|pause)|/v1/requests/[^/]+/abort"
)  # the lab's safety does not wait for a window to pass
_EXPENSIVE = re.compile(
    r"/v1/requests:validate|/v1/requests/[^/]+/(submit|delivery)|/v1/campaigns/[^/]+/(export|report)|"
    r"/campaigns/[^/]+/model|/v1/capabilities|/v1/deliveries/[^/]+|/v1/inventory/forecast|/v1/audit/verification"
)
_EXPENSIVE_POST = re.compile(r"/v1/campaigns")


def is_free(path: str) -> bool:
    """Whether a path is never limited."""
    return _NEVER.fullmatch(path) is not None


def is_expensive(method: str, path: str) -> bool:
    """Whether a request takes seconds of a processor."""
    return bool(_EXPENSIVE.fullmatch(path) or (method == "POST" and _EXPENSIVE_POST.fullmatch(path)))


class Pace:
    """Counts requests.

    Args:
        rates: how many are allowed.
    """

    def __init__(self, rates: Rates) -> None:
        self._counter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._allowed = {
            "key": RateLimitItemPerMinute(rates.key),
            "address": RateLimitItemPerMinute(rates.address),
            "expensive": RateLimitItemPerMinute(rates.expensive),
            "wrong": RateLimitItemPerSecond(rates.wrong, WRONG_S),
            "wrong_for": RateLimitItemPerSecond(rates.wrong_for, WRONG_S),
        }

    def count(self, what: What, who: str) -> None:
        """Count one more.

        Args:
            what: is counted.
            who: asks: id of a key, or an address.

        Raises:
            Problem: it is one too many.
        """
        if not self._counter.hit(self._allowed[what], what, who):
            raise self._too_many(what, who)

    def refuse(self, what: What, who: str) -> None:
        """Refuse where all are used up, without counting.

        Raises:
            Problem: one more would be too many.
        """
        if not self._counter.test(self._allowed[what], what, who):
            raise self._too_many(what, who)

    def _too_many(self, what: What, who: str) -> Problem:
        allowed = self._allowed[what]
        reset_s = self._counter.get_window_stats(allowed, what, who).reset_time - time.time()
        wait_s = min(max(1, math.ceil(reset_s)), allowed.get_expiry())
        meant = {"wrong": "what opens nothing, from this address", "wrong_for": "wrong passwords for this person"}
        words = meant.get(what, f"{what} requests")
        return Problem(
            "rate_limited",
            f"more than {allowed.amount} {words} in {allowed.get_expiry()} s; ask again in {wait_s} s",
            headers={"Retry-After": str(wait_s)},
        )
