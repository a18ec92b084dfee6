"""A named person lets what was stopped move again: through the controller where one runs on these instruments."""

from __future__ import annotations

from dataclasses import dataclass

from labwright.journal.asking import ask_controller, deck_of
from labwright.journal.journal import Journal
from labwright.journal.latch import Latch, open_latches, reset_command, reset_latch, stopped_words, waiting_words
from labwright.model.errors import ConfigError, RefusedError, unknown
from labwright.model.latch import WHOLE_LAB


@dataclass(frozen=True)
class Reset:
    """Which stop is to be reset: that of the whole lab if nothing is named.

    Attributes:
        station: name of a station.
        campaign: id of a campaign.
        sample: as CAMPAIGN/LABEL, or the label alone.
        everything: all of them.
    """

    station: str = ""
    campaign: str = ""
    sample: str = ""
    everything: bool = False

    def check(self) -> None:
        """Refuse more than one of them.

        Raises:
            ConfigError: it names several.
        """
        if sum(map(bool, (self.station, self.campaign, self.sample, self.everything))) > 1:
            raise ConfigError("--station, --campaign, --sample and --all exclude each other: name one, or none")

    def wants(self, latch: Latch) -> bool:
        """Whether this stop is meant."""
        scope = latch.scope
        if self.everything:
            return True
        if self.sample:
            return scope.kind == "sample" and self.sample in (scope.label, f"{scope.campaign}/{scope.label}")
        if self.station or self.campaign:
            return (scope.kind, scope.station, scope.campaign) == (
                "station" if self.station else "campaign",
                self.station,
                self.campaign,
            )
        return scope == WHOLE_LAB

    def not_found(self, known: list[Latch]) -> ConfigError:
        """It names what is not stopped."""
        for kind in ("station", "campaign", "sample"):
            if name := getattr(self, kind):
                names = {"station": "{0.station}", "campaign": "{0.campaign}", "sample": "{0.campaign}/{0.label}"}[kind]
                stopped = [names.format(one.scope) for one in known if one.scope.kind == kind]
                return ConfigError(unknown(f"stopped {kind}", name, stopped))
        return ConfigError("no stop of the whole lab holds, only narrower ones; name the one to reset")


def reset_stops(journal: Journal, which: Reset, instruments: str = "", *, by: str, because: str) -> list[Latch]:
    """Reset the stops that are meant; those that were.

    Args:
        journal: that has them.
        which: the stop that is meant.
        instruments: where several were stopped; empty for the only ones.
        by: who resets it.
        because: what that person has seen and done.

    Raises:
        ConfigError: by or because is empty, or what is named is not stopped.
        RefusedError: nothing is stopped, several are, or the campaign is still being stopped.
    """
    which.check()
    if not by.strip() or not because.strip():
        raise ConfigError("--by and --reason must name the person and the reason: the journal records both")
    latched = stops_meant(journal, which, instruments)
    deck = deck_of(journal)
    for one in latched:
        if one.instruments == deck:  # its stations hold the stop as well
            ask_controller(journal, "reset", {"latch": one.id}, by=by, because=because)
        else:
            reset_latch(journal, one, by=by, because=because)
    return latched


def stops_meant(journal: Journal, which: Reset, instruments: str = "") -> list[Latch]:
    """The stops that are meant.

    Raises:
        ConfigError: what is named is not stopped, or more than one thing is named.
        RefusedError: nothing is stopped, or several could be meant.
    """
    which.check()
    known = open_latches(journal)
    if not known:
        raise RefusedError(f"{journal.name}: no stop holds, so there is nothing to reset")
    wanted = [one for one in known if which.wants(one)]
    if not wanted:
        lines = "\n".join(f"  {waiting_words(journal, one)}" for one in known)
        raise ConfigError(f"{which.not_found(known)}\n{lines}")
    latched = [one for one in wanted if instruments in ("", one.instruments)]
    if not latched:
        raise ConfigError(unknown("stopped instruments", instruments, [one.instruments for one in wanted]))
    several = len({one.instruments for one in latched}) > 1 or (len(latched) > 1 and not which.everything)
    if several:
        lines = "\n".join(
            f"  {stopped_words(one)}\n    {reset_command(journal, one.instruments, one.scope)}" for one in latched
        )
        raise RefusedError(f"several stops hold; name the one to reset:\n{lines}")
    return latched
