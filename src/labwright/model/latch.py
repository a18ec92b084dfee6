"""What a stop holds: the whole lab, a station, a campaign or one sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from labwright.model.errors import ConfigError

LatchKind = Literal["lab", "station", "campaign", "sample"]


@dataclass(frozen=True)
class LatchScope:
    """The part of a lab in which nothing starts while a latch is set.

    Attributes:
        kind: lab, station, campaign or sample.
        station: name of the station; only for a station.
        campaign: id of the campaign; only for a campaign or a sample.
        label: the experiment's in its campaign; only for a sample.

    Raises:
        ConfigError: it names too much or too little for its kind.
    """

    kind: LatchKind = "lab"
    station: str = ""
    campaign: str = ""
    label: str = ""

    def __post_init__(self) -> None:
        named = {name for name in ("station", "campaign", "label") if getattr(self, name)}
        wanted = _NAMES.get(self.kind)
        if wanted is None or named != wanted:
            names = ", ".join(sorted(wanted or ())) or "nothing"
            raise ConfigError(f"the scope {self.kind!r} of a latch names {names}, not {', '.join(sorted(named))}")

    @property
    def whole_station(self) -> bool:
        """Whether it holds whatever runs at the stations it holds at all."""
        return self.kind in ("lab", "station")

    def holds(self, station: str, campaign: str, label: str) -> bool:
        """Whether it holds a step of a sample at a station."""
        return (
            self.station in ("", station) and self.campaign in ("", campaign) and self.label in ("", label)
        )  # what a scope does not name, it holds whatever its name is

    @property
    def words(self) -> str:
        """What it holds, for a person."""
        return {
            "lab": "the whole lab",
            "station": f"station {self.station}",
            "campaign": f"campaign {self.campaign}",
            "sample": f"sample {self.label} of campaign {self.campaign}",
        }[self.kind]


_NAMES: dict[str, set[str]] = {
    "lab": set(),
    "station": {"station"},
    "campaign": {"campaign"},
    "sample": {"campaign", "label"},
}

WHOLE_LAB = LatchScope()


def latch_station(station: str) -> LatchScope:
    """The scope of a station, whatever works there."""
    return LatchScope("station", station=station)


def latch_campaign(campaign: str) -> LatchScope:
    """The scope of a campaign, at every station."""
    return LatchScope("campaign", campaign=campaign)


def latch_sample(campaign: str, label: str) -> LatchScope:
    """The scope of one sample, at every station; `label` is its experiment's."""
    return LatchScope("sample", campaign=campaign, label=label)
