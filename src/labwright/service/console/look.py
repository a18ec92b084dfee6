"""How a person wants to see the console: language, light or dark, and in which zone its times are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from fastapi import Request

from labwright.service.console.labels import LANGUAGES, Language

Theme = Literal["auto", "light", "dark"]

THEMES: tuple[Theme, ...] = get_args(Theme)

LANGUAGE_COOKIE, THEME_COOKIE = "language", "theme"


@dataclass(frozen=True)
class Look:
    """How a page looks.

    Attributes:
        language: of its words.
        theme: ``auto`` follows the machine.
        zone: of its times; the machine's own if None.
    """

    language: Language
    theme: Theme
    zone: tzinfo | None = None

    def written(self, wall_s: float) -> str:
        """A time of day as people read it, with its offset.

        Args:
            wall_s: seconds since the epoch.
        """
        at = self.moment(wall_s)
        offset = at.isoformat()[-6:]
        return f"{at:%Y-%m-%d %H:%M:%S} {offset}"

    def moment(self, wall_s: float) -> datetime:
        """A time of day with its offset.

        Args:
            wall_s: seconds since the epoch.
        """
        if self.zone is not None:
            return datetime.fromtimestamp(wall_s, self.zone)
        return datetime.fromtimestamp(wall_s).astimezone()


def look_of(request: Request, zone: str = "") -> Look:
    """How the person who asks wants to see it: as chosen here, else as the browser says.

    Args:
        request: with its cookies.
        zone: of the lab, by its name.
    """
    language = request.cookies.get(LANGUAGE_COOKIE, "")
    if language not in LANGUAGES:
        language = _preferred(request.headers.get("accept-language", ""))
    theme = request.cookies.get(THEME_COOKIE, "")
    return Look(
        next(one for one in LANGUAGES if one == language),
        next((one for one in THEMES if one == theme), "auto"),
        ZoneInfo(zone) if zone else None,
    )


def _preferred(accepted: str) -> Language:
    """The first language of an Accept-Language header that there is; English without one."""
    for part in accepted.split(","):
        name = part.partition(";")[0].strip().partition("-")[0].lower()
        for one in LANGUAGES:
            if name == one:
                return one
    return "en"
