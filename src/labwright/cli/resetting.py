"""`labwright reset`: a named person lets instruments move again after a stop-now."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from labwright.cli.output import console, emit
from labwright.journal import (
    Journal,
    Latch,
    instruments_words,
    open_latches,
    reset_command,
    reset_latch,
    stopped_words,
    waiting_words,
)
from labwright.journal.asking import ask_controller, deck_of
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


def reset_stop(
    place: str | Path, instruments: str, *, by: str, reason: str, json: bool, which: Reset | None = None
) -> None:
    """Reset the stop that holds; others that still hold are listed.

    Args:
        place: of the journal.
        instruments: which, where several were stopped; empty for the only ones.
        by: who resets it.
        reason: what that person has seen and done.
        json: say it to a program.
        which: the stop that is meant; that of the whole lab if not given.

    Raises:
        ConfigError: by or reason is empty, or what is named is not stopped.
        RefusedError: nothing is stopped, several are, or the campaign is still being stopped.
    """
    which = which or Reset()
    which.check()
    if not by.strip() or not reason.strip():
        raise ConfigError("--by and --reason must name the person and the reason: the journal records both")
    with Journal(place) as journal:
        known = open_latches(journal)
        if not known:
            raise RefusedError(f"{journal.name}: no stop holds, so there is nothing to reset")
        latched = _chosen(journal, known, which, instruments)
        deck = deck_of(journal)
        for one in latched:
            if one.instruments == deck:  # its stations hold the stop as well
                ask_controller(journal, "reset", {"latch": one.id}, by=by, because=reason)
            else:
                reset_latch(journal, one, by=by, because=reason)
        left = [waiting_words(journal, one) for one in open_latches(journal)]
    for one in latched:
        _report(one, by, reason, json=json)
    for words in left:
        console.print(f"still stopped: {words}", style="bold yellow", markup=False)


def _chosen(journal: Journal, known: list[Latch], which: Reset, instruments: str) -> list[Latch]:
    """The stops that are meant.

    Raises:
        ConfigError: what is named is not stopped.
        RefusedError: several could be meant.
    """
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


def _report(latch: Latch, by: str, reason: str, *, json: bool) -> None:
    if json:
        emit(
            {
                "reset": latch.instruments,
                "scope": latch.scope.kind,
                "station": latch.scope.station,
                "campaign": latch.campaign,
                "label": latch.scope.label,
                "stopped_by": latch.by,
                "stopped_because": latch.because,
                "stopped_s": latch.set_s,
                "by": by,
                "reason": reason,
            }
        )
        return
    instruments = instruments_words(latch.instruments)
    moves = f"{instruments} may" if latch.scope == WHOLE_LAB else f"{latch.scope.words} on {instruments} may"
    console.print(f"{stopped_words(latch)}; reset by {by}: {reason}. {moves} move again", style="bold", markup=False)
