"""The verbs. Nothing heavy is imported here: each verb imports what it needs, so that --help answers at once."""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from labwright.cli import signals
from labwright.cli.app_audit import audit_app
from labwright.cli.app_campaign import campaign_app, question_app
from labwright.cli.app_data_class import data_class_app
from labwright.cli.app_inventory import inventory_app
from labwright.cli.app_key import key_app
from labwright.cli.app_lab import lab_app
from labwright.cli.app_person import person_app, project_app
from labwright.cli.app_planner import planner_app
from labwright.cli.app_remark import deviation_app, note_app
from labwright.cli.app_request import request_app
from labwright.cli.app_sample import sample_app
from labwright.cli.app_station import station_app
from labwright.cli.app_webhook import webhook_app
from labwright.cli.options import (
    ByOption,
    DataOption,
    DecisionsChangedOption,
    EndpointsOption,
    JournalOption,
    JsonOption,
    KeyFileOption,
    LabChangedOption,
    LabOption,
    QuestionOption,
    ReasonOption,
    SimulatedOption,
    SpeedOption,
    StoreOption,
    UrlOption,
    needed_site,
    on_data,
    on_journal,
    strict_float,
    strict_int,
)
from labwright.cli.places import data_folder, journal_or_none, kept_data, lab_root, reference_lab, simulation_file
from labwright.cli.signals import stopping
from labwright.cli.sites import Place, Site, site_of
from labwright.model.errors import LabwrightError, UnsafeError

app = typer.Typer(
    name="labwright",
    help="Run a laboratory: plan experiments, carry them out, keep every result.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
journal_app = typer.Typer(help="Look after the journal.", no_args_is_help=True, rich_markup_mode=None)
run_app = typer.Typer(help="Look at runs in the journal.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(campaign_app, name="campaign")
app.add_typer(question_app, name="question")
app.add_typer(note_app, name="note")
app.add_typer(deviation_app, name="deviation")
app.add_typer(inventory_app, name="inventory")
app.add_typer(request_app, name="request")
app.add_typer(sample_app, name="sample")
app.add_typer(person_app, name="person")
app.add_typer(project_app, name="project")
app.add_typer(key_app, name="key")
app.add_typer(webhook_app, name="webhook")
app.add_typer(data_class_app, name="data-class")
app.add_typer(audit_app, name="audit")
app.add_typer(planner_app, name="planner")
app.add_typer(station_app, name="station")
store_app = typer.Typer(help="Look after the data store.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(journal_app, name="journal")
app.add_typer(lab_app, name="lab")
app.add_typer(run_app, name="run")
app.add_typer(store_app, name="store")
fault_app = typer.Typer(
    help="Try what happens when a simulated instrument fails.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(fault_app, name="fault")


def main() -> None:
    """Run the command line; every error Labwright knows ends in words and an exit code of its own."""
    # ophyd looks for an EPICS installation at import, which a lab of serial lines does not have.
    os.environ.setdefault("OPHYD_CONTROL_LAYER", "dummy")
    signals.own_process = True
    gc.set_threshold(20_000, 10, 10)  # what is imported stays: looking for garbage in it took a tenth of a verb's time
    _no_stream_is_closed()
    heeded = stopping()
    for number in heeded:
        if number != signal.SIGINT:
            signal.signal(number, _as_ctrl_c)
    try:
        app()
    except SystemExit as ended:
        if ended.code == 130 and _was_interrupted(ended):  # typer ends in silence
            _tell("stopped", "KeyboardInterrupt", 130)
        raise
    except LabwrightError as error:
        first = error.__context__
        if isinstance(error, UnsafeError) and isinstance(first, (LabwrightError, KeyboardInterrupt)):
            words = str(first) or "stopped"
            _say(words)  # what is not safe comes last
        _tell(f"{error}", type(error).__name__, error.exit_code)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            # the reader of our output has gone; Python's own flush at exit would complain once more
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(1) from None
        _tell(f"{error.filename or 'the system'}: {error.strerror or error}", type(error).__name__, 1)
    except KeyboardInterrupt:
        _tell("stopped", "KeyboardInterrupt", 130)
    except RuntimeError as error:
        if not isinstance(error.__cause__, KeyboardInterrupt):  # Python wraps one that comes while a class is made
            raise
        _tell("stopped", "KeyboardInterrupt", 130)
    finally:
        for number in heeded:  # all is done and said; a signal now would only meet Python's own end
            signal.signal(number, signal.SIG_IGN)


def _no_stream_is_closed() -> None:
    """Where a shell has closed a standard stream (``>&-``) Python has None, and the next file takes its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))


def _was_interrupted(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def _as_ctrl_c(number: int, frame: object) -> None:
    for one in stopping():  # once is enough: a second must not cut short what the first has started
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt


def _tell(message: str, kind: str, exit_code: int) -> NoReturn:
    """Say what went wrong: to a person on stderr, and with --json to a program as well."""
    _say(message)
    if "--json" in sys.argv:
        from labwright.cli.output import emitted
        from labwright.cli.relay import relayed

        with relayed("stdout"):
            emitted({"error": kind, "exit_code": exit_code, "message": message})
    raise SystemExit(exit_code) from None


def _say(message: str) -> None:
    """Words on stderr; a reader that stays and does not read is not waited for, or no exit code would ever come."""
    from labwright.cli.relay import relayed

    with relayed():
        print(f"labwright: {message}", file=sys.stderr)  # noqa: T201 - before any console exists


def _say_version(wanted: bool) -> None:
    if wanted:
        from labwright._version import __version__

        print(f"labwright {__version__}")  # noqa: T201 - a program may read it
        raise typer.Exit


@app.callback()
def labwright(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Run a laboratory: plan experiments, carry them out, keep every result."""


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="The new lab's folder; it must be empty or not exist.")]) -> None:
    """Make a new lab: one driver, its simulator, a protocol, a campaign, and a test that runs them."""
    from labwright.cli.init import make_lab

    make_lab(folder)


@app.command()
def check(lab: LabOption = None, json: JsonOption = False) -> None:
    """Check a lab's files, classes, protocols and campaigns; every mistake at once, nothing is opened."""
    from labwright.cli.checking import check_lab

    check_lab(lab_root(lab), json=json)


@app.command()
def schema(
    what: Annotated[str, typer.Argument(help="lab, campaign or campaign-state")] = "lab",
) -> None:
    """Print the JSON Schema of a lab or campaign file, for editors."""
    from labwright.cli.checking import print_schema

    print_schema(what)


@app.command()
def simulate(
    lab: LabOption = None,
    speed: Annotated[
        float, typer.Option("--speed", help="Lab seconds a second.", parser=strict_float(0.01, 100), metavar="<float>")
    ] = 1.0,
    seed: Annotated[
        int,
        typer.Option("--seed", help="Random seed for the simulation.", parser=strict_int(), metavar="<int>"),
    ] = 0,
    endpoints: Annotated[Path | None, typer.Option("--endpoints", help="Where to write the addresses.")] = None,
    state: Annotated[
        Path | None,
        typer.Option("--state", help="Folder of what instruments keep without power: a restart goes on from there."),
    ] = None,
    effects: Annotated[
        Path | None, typer.Option("--effects", help="File that gets a JSON line for every physical effect.")
    ] = None,
) -> None:
    """Serve the lab's simulated instruments on real serial lines, TCP ports and MQTT, until Ctrl-C."""
    from labwright.cli.simulating import serve

    root = lab_root(lab)
    serve(root, speed=speed, seed=seed, endpoints=endpoints or simulation_file(root), state=state, effects=effects)


@app.command()
def serve(
    folder: Annotated[Path | None, typer.Argument(metavar="[LAB]", help="The lab's folder, as --lab.")] = None,
    lab: LabOption = None,
    data: DataOption = None,
    simulated: SimulatedOption = False,
    endpoints: EndpointsOption = None,
    speed: SpeedOption = 0.0,
    seed: Annotated[
        int, typer.Option("--seed", help="Of the simulated world.", parser=strict_int(0), metavar="<int>")
    ] = 0,
    json: JsonOption = False,
    store: StoreOption = True,
    lab_changed: LabChangedOption = False,
    decisions_changed: DecisionsChangedOption = False,
    journal: JournalOption = "",
    by: ByOption = "",
    on_question: QuestionOption = "wait",
    host: Annotated[str, typer.Option("--host", help="Address of the HTTP service.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", help="Its port; 0 for a free one.", parser=strict_int(0), metavar="<int>")
    ] = 8765,
    http: Annotated[bool, typer.Option("--http/--no-http", help="Serve people and programs over HTTP as well.")] = True,
    certificate: Annotated[Path | None, typer.Option("--certificate", help="TLS certificate, as PEM.")] = None,
    private_key: Annotated[Path | None, typer.Option("--private-key", help="Its key, as PEM.")] = None,
    proxy: Annotated[str, typer.Option("--proxy", help="Address of the reverse proxy that ends TLS.")] = "",
    host_name: Annotated[
        list[str] | None,
        typer.Option("--host-name", help="Further name by which browsers know it; repeatable."),
    ] = None,
    oidc: Annotated[
        Path | None, typer.Option("--oidc", help="File that names an OpenID provider; oidc.yaml in the data folder.")
    ] = None,
    controller: Annotated[
        str,
        typer.Option(
            "--controller",
            metavar="DATA|URL",
            help="Serve only over HTTP, for the controller that runs elsewhere: on this data folder, or on the journal "
            "at this URL (PostgreSQL).",
        ),
    ] = "",
) -> None:
    """Run the lab's controller until Ctrl-C or SIGTERM; it resumes what was interrupted, and takes new campaigns."""
    from labwright.cli.running import RunOptions
    from labwright.cli.serving import HttpOptions, serve_lab

    if folder is not None and lab is not None:
        raise typer.BadParameter("name the lab once: as LAB, or with --lab")
    if controller:
        from labwright.cli.attaching import attach

        of_controller = {
            "--simulated": simulated, "--endpoints": endpoints, "--speed": speed, "--seed": seed, "--no-http": not http,
            "--lab-changed": lab_changed, "--decisions-changed": decisions_changed, "--no-store": not store,
            "--on-question": on_question != "wait", "--by": by, "--json": json,
        }  # fmt: skip
        if given := ", ".join(name for name, value in of_controller.items() if value):
            raise typer.BadParameter(f"{given}: of a controller, and with --controller only the service starts here")
        served = HttpOptions(host, port, certificate, private_key, proxy, tuple(host_name or ()), oidc)
        raise SystemExit(attach(controller, folder or lab, data, served))
    root = lab_root(folder or lab)
    options = RunOptions(
        data=data_folder(root, data),
        simulated=simulated,
        endpoints=endpoints,
        speed=speed,
        seed=seed,
        json=json,
        store=store,
        lab_changed=lab_changed,
        decisions_changed=decisions_changed,
        journal=journal,
        by=by,
        on_question=on_question,
    )
    beside = HttpOptions(host, port, certificate, private_key, proxy, tuple(host_name or ()), oidc) if http else None
    raise SystemExit(serve_lab(root, options, beside))


@app.command()
def mcp(
    url: UrlOption = "",
    key_file: KeyFileOption = None,
    as_person: Annotated[
        bool, typer.Option("--as-person", help="With your own key: what the program does is recorded as yours.")
    ] = False,
) -> None:
    """Let an agent ask a lab for experiments, over the Model Context Protocol on standard input and output."""
    from labwright.cli.agents import serve_tools

    serve_tools(needed_site(url, key_file), as_person=as_person)


@app.command()
def demo(
    budget: Annotated[
        int,
        typer.Option(
            "--budget",
            help="Number of experiments; with --console of both campaigns together.",
            parser=strict_int(2),
            metavar="<int>",
        ),
    ] = 25,
    seed: Annotated[
        int, typer.Option("--seed", help="Of planner and simulated world.", parser=strict_int(), metavar="<int>")
    ] = 1,
    data: DataOption = None,
    json: JsonOption = False,
    store: StoreOption = True,
    in_browser: Annotated[
        bool,
        typer.Option("--console", help="Serve its console instead, with two such campaigns under way, until Ctrl-C."),
    ] = False,
    port: Annotated[int, typer.Option("--port", help="Of the console.", parser=strict_int(1), metavar="<int>")] = 8765,
    speed: Annotated[
        float,
        typer.Option(
            "--speed", help="Lab seconds per second, with --console.", parser=strict_float(0.1, 100), metavar="<float>"
        ),
    ] = 30.0,
) -> None:
    """Run the reference lab's campaign on simulated instruments, and write its report."""
    from labwright.cli.running import run_demo

    root = reference_lab()
    if in_browser:
        from labwright.cli.demo_console import DemoOptions, demo_console

        place = data_folder(root, data) / "console" if data is None else data
        raise SystemExit(demo_console(root, DemoOptions(place, speed, budget // 2, port)))
    run_demo(root, data_folder(root, data) / "demo" if data is None else data, budget, seed, json=json, store=store)


@run_app.command("list")
@on_data
def run_list(data: Path | Site, json: JsonOption = False) -> None:
    """List the runs in the journal, oldest first."""
    from labwright.cli.looking import list_runs

    list_runs(data, json=json)


@run_app.command("show")
@on_data
def run_show(
    data: Path | Site,
    uid: Annotated[str, typer.Argument(help="The run's uid, or its beginning.")],
    json: JsonOption = False,
) -> None:
    """Show what a run measured."""
    from labwright.cli.looking import show_run

    show_run(data, uid, json=json)


@run_app.command("export")
@on_data
def run_export(
    data: Path | Site,
    uid: Annotated[str, typer.Argument(help="The run's uid, or its beginning.")],
    to: Annotated[Path, typer.Argument(help="A file: .csv for tables, .jsonl for all documents.")],
) -> None:
    """Write a run to a file."""
    from labwright.cli.looking import export_run

    export_run(data, uid, to)


@store_app.command("sync")
def store_sync(
    lab: LabOption = None,
    data: DataOption = None,
    timeout: Annotated[
        float, typer.Option("--timeout", help="Seconds to wait at most.", parser=strict_float(1), metavar="<float>")
    ] = 600,
    json: JsonOption = False,
) -> None:
    """Upload all runs that are in the journal but not in the data store, and wait for it."""
    from labwright.cli.looking import sync_store

    sync_store(kept_data(lab, data), timeout, json=json)


@store_app.command("verify")
def store_verify(lab: LabOption = None, data: DataOption = None, json: JsonOption = False) -> None:
    """Compare every document of the journal with what the data store gives back."""
    from labwright.cli.looking import verify_store

    verify_store(kept_data(lab, data), json=json)


@fault_app.command("add")
def fault_add(
    device: Annotated[str, typer.Argument(help="The device, by its name in the lab.")],
    kind: Annotated[str, typer.Argument(help="The fault; `labwright fault list` knows them.")],
    count: Annotated[
        int, typer.Option("--count", help="Replies a wire fault spoils.", parser=strict_int(1), metavar="<int>")
    ] = 1,
    value: Annotated[
        float,
        typer.Option(
            "--value",
            help="Its size: seconds for slow, else the device's unit.",
            parser=strict_float(),
            metavar="<float>",
        ),
    ] = 0.0,
    match: Annotated[str, typer.Option("--match", help="Only replies to commands like this (shell pattern).")] = "*",
    lab: LabOption = None,
    endpoints: EndpointsOption = None,
) -> None:
    """Put a fault on an instrument of a running `labwright simulate`."""
    from labwright.cli.simulating import put_fault

    fault = {"device": device, "kind": kind, "count": count, "value": value, "match": match}
    put_fault(endpoints or simulation_file(lab_root(lab)), fault)


@fault_app.command("clear")
def fault_clear(lab: LabOption = None, endpoints: EndpointsOption = None) -> None:
    """Take all faults off a running `labwright simulate`."""
    from labwright.cli.simulating import clear_faults

    clear_faults(endpoints or simulation_file(lab_root(lab)))


@fault_app.command("list")
def fault_list(lab: LabOption = None, endpoints: EndpointsOption = None, json: JsonOption = False) -> None:
    """List the faults each instrument of a running `labwright simulate` knows."""
    from labwright.cli.simulating import list_faults

    list_faults(endpoints or simulation_file(lab_root(lab)), json=json)


@app.command()
def report(
    spec: Annotated[str, typer.Argument(help="A campaign's name, or its file.")],
    lab: LabOption = None,
    data: DataOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="HTML file; DATA/reports/ID.html and DATA/report.html."),
    ] = None,
    journal: JournalOption = "",
    url: UrlOption = "",
    key_file: KeyFileOption = None,
) -> None:
    """Write the report of the newest run of a campaign, from the journal alone; from a service as it has it."""
    from labwright.cli.reporting import fetch_report, write_newest

    if (site := site_of(url, key_file, bool(lab or data or journal))) is not None:
        fetch_report(site, Path(spec).stem, out)
        return
    folder = data_folder(lab_root(lab), data) if journal else kept_data(lab, data)
    write_newest(Path(spec).stem, folder, out, journal)


@journal_app.command("migrate")
@on_journal
def journal_migrate(place: Place, json: bool) -> None:
    """Bring the journal of an earlier Labwright up to date; verbs that only read refuse it before."""
    from labwright.cli.migrating import migrate_journal

    migrate_journal(place, json=json)


@app.command("stop")
@on_journal
def stop_all(
    place: Place,
    json: bool,
    reason: ReasonOption,
    by: ByOption = "",
    station: Annotated[str, typer.Option("--station", help="Only this station.")] = "",
    campaign: Annotated[str, typer.Option("--campaign", help="Only this campaign, by id or name.")] = "",
    sample: Annotated[str, typer.Option("--sample", help="Only this sample, as CAMPAIGN/LABEL.")] = "",
) -> None:
    """Stop all stations at once, or what is named: devices are halted, and nothing starts there until `reset`."""
    from labwright.cli.asking import stop

    stop(place, station=station, campaign=campaign, sample=sample, by=by, because=reason, json=json)


@app.command("status")
@on_journal
def status(
    place: Place,
    json: bool,
    watch: Annotated[bool, typer.Option("--watch", help="Again and again, until Ctrl-C.")] = False,
) -> None:
    """Show the lab as it stands: controller, campaigns, stations, questions, stops, what waits for what."""
    from labwright.cli.signals import give_way
    from labwright.cli.status import show_status

    if watch:
        give_way()
    raise SystemExit(show_status(place, watch=watch, json=json))


@app.command("reset")
@on_journal
def reset(
    place: Place,
    json: bool,
    by: Annotated[str, typer.Option("--by", help="Who resets the stop; recorded in the journal.")],
    reason: Annotated[str, typer.Option("--reason", help="What you have seen and done; recorded as well.")],
    station: Annotated[str, typer.Option("--station", help="Only the stop of this station.")] = "",
    campaign: Annotated[str, typer.Option("--campaign", help="Only the stop of this campaign, by its id.")] = "",
    sample: Annotated[str, typer.Option("--sample", help="Only the stop of this sample, as CAMPAIGN/LABEL.")] = "",
    everything: Annotated[bool, typer.Option("--all", help="Every stop that holds, of whatever.")] = False,
    instruments: Annotated[
        str,
        typer.Option(
            "--instruments",
            help="Where several were stopped: real, here (simulated by `--simulated`), or the file of --endpoints.",
        ),
    ] = "",
) -> None:
    """Let instruments move again after a stop-now of the lab, or of what is named; nothing starts on them before."""
    from labwright.cli.resetting import reset_stop
    from labwright.journal.resetting import Reset

    which = Reset(station=station, campaign=campaign, sample=sample, everything=everything)
    reset_stop(place, instruments, by=by, reason=reason, json=json, which=which)


@app.command()
def doctor(
    lab: LabOption = None, data: DataOption = None, journal: JournalOption = "", json: JsonOption = False
) -> None:
    """Say what this machine has and lacks: Python, packages, disk, serial lines, the lab's files; audit the ledger."""
    from labwright.cli.looking import diagnose

    diagnose(lab_root(lab), journal_or_none(lab, data, journal), json=json)
