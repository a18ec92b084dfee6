"""Commands to the controller of a lab that are not for one campaign: `labwright stop`, `campaign submit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labwright.cli.output import console, emit, whoami
from labwright.cli.sites import Place, done, latches_of, option_of
from labwright.cli.steering import steer
from labwright.journal import Journal, open_latches, reset_command
from labwright.journal.asking import stop_now, what_stops
from labwright.journal.latch import reset_typed
from labwright.model.latch import WHOLE_LAB, latch_station

if TYPE_CHECKING:
    from labwright.client import Client


def stop(place: Place, *, station: str, campaign: str, sample: str, by: str, because: str, json: bool) -> None:
    """Stop the lab, a station, a campaign or a sample now: its devices are halted, and nothing of it starts again.

    Raises:
        ConfigError: more than one is named, or there is no such one.
        RefusedError: no controller runs, or it refuses.
        JournalError: it does not answer; the command was withdrawn.
    """
    owner, payload = what_stops(station=station, campaign=campaign, sample=sample)
    if owner is not None:
        steer(place, owner, "stop", payload, by=by, because=because, json=json)
        return
    scope = latch_station(station) if station else WHOLE_LAB

    def here(journal: Journal) -> tuple[str, str]:
        stop_now(journal, station=station, by=by or whoami(), because=because)
        newest = journal.controller()
        latches = [one for one in open_latches(journal) if one.scope == scope]
        instruments = latches[-1].instruments if latches else str(newest["instruments"] if newest else "")
        return instruments, reset_command(journal, instruments, scope)

    def there(client: Client) -> tuple[str, str]:
        client.lab.stop(because, station=station, now=True)
        known = latches_of(client.lab.latches())
        latches = [one for one in known if one.scope == scope]
        instruments = latches[-1].instruments if latches else ""
        return instruments, reset_typed(known, option_of(place), instruments, scope)

    instruments, reset = done(place, here, there)
    if json:
        emit({"stopped": scope.kind, "station": station, "instruments": instruments, "reset": reset})
        return
    what = f"station {station} is stopped: its devices are halted, and the sample there is held" if station else (
        "all stations are stopped: their devices are halted, the campaigns end, and their samples are given up"
    )  # fmt: skip
    console.print(f"{what}. Nothing starts there until a person resets the stop: {reset}", style="bold", markup=False)
