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
