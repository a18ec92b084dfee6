"""The verbs on stations."""

from __future__ import annotations

from typing import Annotated

import typer

from labwright.cli.options import (
    EndpointsOption,
    JsonOption,
    KeyFileOption,
    LabOption,
    ReasonOption,
    SimulatedOption,
    UrlOption,
    moment_s,
    on_journal,
    strict_float,
)
from labwright.cli.places import lab_root
from labwright.cli.sites import Place, site_of

station_app = typer.Typer(
    help="Look at stations, try their instruments, and set or read them by hand.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

StationArgument = Annotated[str, typer.Argument(help="The station.")]
DeviceArgument = Annotated[str, typer.Argument(help="A device of it.")]
WaitOption = Annotated[
    float | None,
    typer.Option(
        "--within", parser=strict_float(0, 86400), metavar="SECONDS",
        help="Lab seconds for which it waits for the station, 1800 without; it is given up then.",
    ),
]  # fmt: skip
HoursOption = Annotated[
    float | None,
    typer.Option("--hours", parser=strict_float(0, 2208), metavar="HOURS", help="For how long; or --until."),
]
UntilOption = Annotated[
    float | None,
    typer.Option("--until", parser=moment_s, metavar="DATE", help="Until when, as 2026-12-01T12:00+09:00; or --hours."),
]
StartOption = Annotated[
    float | None,
    typer.Option("--from", parser=moment_s, metavar="DATE", help="From when on, in lab time; now, if not given."),
]
NoWaitOption = Annotated[bool, typer.Option("--no-wait", help="Do not wait until it is done.")]


@station_app.command("list")
def station_list(
    lab: LabOption = None, url: UrlOption = "", key_file: KeyFileOption = None, json: JsonOption = False
) -> None:
    """List the lab's stations and their devices."""
    from labwright.cli.looking import list_stations

    list_stations(site_of(url, key_file, lab is not None) or lab_root(lab), json=json)


@station_app.command("test")
def station_test(
    name: Annotated[str | None, typer.Argument(help="A station; all of them, if not given.")] = None,
    lab: LabOption = None,
    simulated: SimulatedOption = False,
    endpoints: EndpointsOption = None,
    json: JsonOption = False,
) -> None:
    """Connect to a station's instruments and read each once; nothing is moved."""
    from labwright.cli.looking import read_stations

    read_stations(lab_root(lab), name, simulated=simulated, endpoints=endpoints, json=json)


@station_app.command("set")
@on_journal
def station_set(
    place: Place,
    json: bool,
    station: StationArgument,
    device: DeviceArgument,
    axis: Annotated[str, typer.Argument(help="What is set.")],
    value: Annotated[float, typer.Argument(parser=strict_float(), metavar="VALUE", help="To which.")],
    by: Annotated[str, typer.Option("--by", help="Who wants it; recorded in the journal.")],
    reason: ReasonOption,
    unit: Annotated[str, typer.Argument(help="Of the value, as the axis has it; none for a pure number.")] = "",
    sample_present_ok: Annotated[
        bool, typer.Option("--sample-present-ok", help="Though a sample stands there that it could spoil.")
    ] = False,
    within: WaitOption = None,
    no_wait: NoWaitOption = False,
) -> None:
    """Set one axis of a device by hand: a step like any other, which waits for the station and keeps all limits."""
    from labwright.cli.by_hand import operate
    from labwright.model.by_hand import WAIT_S, hand_work

    given = {"axis": axis, "value": value, "unit": unit, "sample_present_ok": sample_present_ok}
    wait_s = WAIT_S if within is None else within
    work = hand_work({"station": station, "device": device, "wait_s": wait_s, **given})
    raise SystemExit(operate(place, work, by=by, because=reason, wait=not no_wait, json=json))


@station_app.command("read")
@on_journal
def station_read(
    place: Place,
    json: bool,
    station: StationArgument,
    device: DeviceArgument,
    by: Annotated[str, typer.Option("--by", help="Who wants it; recorded in the journal.")],
    reason: ReasonOption,
    within: WaitOption = None,
    no_wait: NoWaitOption = False,
) -> None:
    """Take one reading of a device by hand, by way of the controller: a run with what was measured."""
    from labwright.cli.by_hand import operate
    from labwright.model.by_hand import WAIT_S, hand_work

    work = hand_work({"station": station, "device": device, "wait_s": WAIT_S if within is None else within})
    raise SystemExit(operate(place, work, by=by, because=reason, wait=not no_wait, json=json))


@station_app.command("show")
@on_journal
def station_show(place: Place, json: bool, station: StationArgument) -> None:
    """Show what people have done at a station by hand in the last day, and what of it waits."""
    from labwright.cli.by_hand import show_station

    show_station(place, station, json=json)


@station_app.command("book")
@on_journal
def station_book(
    place: Place,
    json: bool,
    lab: LabOption,
    station: StationArgument,
    by: Annotated[str, typer.Option("--by", help="Who wants it; recorded in the journal.")],
    reason: ReasonOption,
    hours: HoursOption = None,
    until: UntilOption = None,
    start: StartOption = None,
    sample_present_ok: Annotated[
        bool, typer.Option("--sample-present-ok", help="Though a sample stays there meanwhile, or cannot wait so long.")
    ] = False,
) -> None:
    """Have a station for a time, to work there by hand: the lab begins nothing there, and carries nothing there."""
    from labwright.cli.bookings import book
    from labwright.engine.station_bookings import BookingAsked

    for_s = None if hours is None else 3600 * hours
    asked = BookingAsked(station, reason, start, until, for_s, sample_present_ok)
    book(place, lab, asked, by=by, json=json)


@station_app.command("unbook")
@on_journal
def station_unbook(
    place: Place,
    json: bool,
    booking: Annotated[str, typer.Argument(help="Its id, as `bookings` shows it.")],
    by: Annotated[str, typer.Option("--by", help="Who ends it; recorded in the journal.")],
    reason: ReasonOption,
) -> None:
    """Let the lab have a station back before its booking is over, or call one off."""
    from labwright.cli.bookings import unbook

    unbook(place, booking, by=by, because=reason, json=json)


@station_app.command("bookings")
@on_journal
def station_bookings(
    place: Place,
    json: bool,
    station: Annotated[str, typer.Argument(help="The station; all of them, if not given.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,
) -> None:
    """List the stations that people have booked while the lab runs."""
    from labwright.cli.bookings import list_bookings

    list_bookings(place, station, everything=everything, json=json)
