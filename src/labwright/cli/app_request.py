"""The verbs on requests for experiments; all of them at a service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from labwright.cli.options import Because, at_service, strict_float
from labwright.cli.sites import Site

request_app = typer.Typer(
    help="Ask a lab for experiments, decide about requests, fetch what was found.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

RequestArgument = Annotated[str, typer.Argument(metavar="ID", help="A request, as R17.")]
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="YAML or JSON, as `labwright request new` makes it.")
]
KindOption = Annotated[Literal["technical", "safety"], typer.Option("--kind", help="Of the review.")]
DigestOption = Annotated[
    str,
    typer.Option(
        "--digest", help="Of the content you have read, as `labwright request show` says it; the start will do."
    ),
]


@request_app.command("new")
@at_service
def request_new(
    site: Site,
    json: bool,
    protocol: Annotated[str, typer.Argument(help="One that the lab offers.")],
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="To be written; PROTOCOL.yaml.")] = None,
) -> None:
    """Write a file to be edited: the protocol's parameters with what is allowed, samples, terms."""
    from labwright.cli.request_files import new_file

    new_file(site, protocol, file or Path(f"{protocol}.yaml"), json=json)


@request_app.command("validate")
@at_service
def request_validate(site: Site, json: bool, file: FileArgument) -> None:
    """Look whether a file can be carried out: all mistakes with their lines, or the quote; nothing is kept."""
    from labwright.cli.request_files import validate_file

    validate_file(site, file, json=json)


@request_app.command("submit")
@at_service
def request_submit(
    site: Site,
    json: bool,
    file: FileArgument,
    request: Annotated[
        str, typer.Option("--request", metavar="ID", help="Put the file in the place of what this one says.")
    ] = "",
    note: Annotated[str, typer.Option("--note", help="Answers what reviewers have asked.")] = "",
    again: Annotated[bool, typer.Option("--again", help="Ask for the same once more, as another request.")] = False,
) -> None:
    """Hand a file in; once, however often it is typed."""
    from labwright.cli.request_files import submit_file

    submit_file(site, file, request, note, again=again, json=json)


@request_app.command("list")
@at_service
def request_list(
    site: Site,
    json: bool,
    state: Annotated[str, typer.Option("--state", help="Only in this one.")] = "",
    project: Annotated[str, typer.Option("--project", help="Only of this one.")] = "",
    owner: Annotated[str, typer.Option("--owner", help="Only of this person or program.")] = "",
) -> None:
    """List requests that you may see, the newest first."""
    from labwright.cli.requesting import list_requests

    list_requests(site, state, project, owner, json=json)


@request_app.command("show")
@at_service
def request_show(site: Site, json: bool, request: RequestArgument) -> None:
    """Show what is asked for, what it takes, who has decided what, how far it is, and what comes next."""
    from labwright.cli.requesting import show_request

    show_request(site, request, json=json)


@request_app.command("approve")
@at_service
def request_approve(
    site: Site, json: bool, request: RequestArgument, kind: KindOption, digest: DigestOption, reason: Because
) -> None:
    """Accept a request, as its reviewer; refused if it was edited since you have read it."""
    from labwright.cli.requesting import decide

    decide(site, request, "accept", kind, digest, reason, json=json)


@request_app.command("return")
@at_service
def request_return(
    site: Site, json: bool, request: RequestArgument, kind: KindOption, digest: DigestOption, reason: Because
) -> None:
    """Return a request with a question, as its reviewer."""
    from labwright.cli.requesting import decide

    decide(site, request, "return", kind, digest, reason, json=json)


@request_app.command("reject")
@at_service
def request_reject(
    site: Site, json: bool, request: RequestArgument, kind: KindOption, digest: DigestOption, reason: Because
) -> None:
    """Reject a request, as its reviewer."""
    from labwright.cli.requesting import decide

    decide(site, request, "reject", kind, digest, reason, json=json)


@request_app.command("cancel")
@at_service
def request_cancel(site: Site, json: bool, request: RequestArgument, reason: Because) -> None:
    """Take a request back, before anything was done for it."""
    from labwright.cli.requesting import changed

    changed(site, request, lambda desk: desk.cancel(request, reason), json=json)


@request_app.command("abort")
@at_service
def request_abort(site: Site, json: bool, request: RequestArgument, reason: Because) -> None:
    """Stop what is done for a request, after the operations under way."""
    from labwright.cli.requesting import changed

    changed(site, request, lambda desk: desk.abort(request, reason), json=json)


@request_app.command("receive")
@at_service
def request_receive(
    site: Site,
    json: bool,
    request: RequestArgument,
    label: Annotated[str, typer.Argument(help="Of the sample, in the request.")],
    barcode: Annotated[str, typer.Argument(help="On its container.")],
    place: Annotated[str, typer.Option("--at", help="Where it was put.")] = "",
    condition: Annotated[str, typer.Option("--condition", help="How it looks.")] = "",
) -> None:
    """Book a sample that has come; with the last one the request is queued."""
    from labwright.cli.requesting import changed

    changed(
        site,
        request,
        lambda desk: desk.sample_arrived(request, label, barcode, place=place, condition=condition),
        json=json,
    )


@request_app.command("wait")
@at_service
def request_wait(
    site: Site,
    json: bool,
    request: RequestArgument,
    until: Annotated[str, typer.Option("--until", help="The state to wait for.")] = "delivered",
    deadline: Annotated[
        float, typer.Option("--deadline", help="Seconds to wait.", parser=strict_float(0), metavar="<float>")
    ] = 86_400.0,
) -> None:
    """Wait until a request is in a state; exit code 1 if it does not come there in time, or cannot any more."""
    from labwright.cli.requesting import wait_for

    wait_for(site, request, until, deadline, json=json)


@request_app.command("fetch")
@at_service
def request_fetch(
    site: Site,
    json: bool,
    request: RequestArgument,
    folder: Annotated[Path | None, typer.Argument(metavar="[FOLDER]", help="To be made; labwright-ID.")] = None,
) -> None:
    """Fetch what was found into a new folder; each file is checked against its SHA-256."""
    from labwright.cli.requesting import fetch

    fetch(site, request, folder or Path(f"labwright-{request}"), json=json)


@request_app.command("link")
@at_service
def request_link(
    site: Site,
    json: bool,
    request: RequestArgument,
    days: Annotated[
        float | None,
        typer.Option(
            "--days", help="For which it works; as the desk has it.", parser=strict_float(0.001), metavar="<float>"
        ),
    ] = None,
) -> None:
    """Make a link by which what was found can be fetched without a key, and print it, once."""
    from labwright.cli.linking import make_link

    make_link(site, request, days, json=json)


@request_app.command("links")
@at_service
def request_links(
    site: Site,
    json: bool,
    request: RequestArgument,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Let none of them work from now on.")] = False,
) -> None:
    """List links to what was found: who made them, until when they work, how often they were followed."""
    from labwright.cli.linking import list_links, withdraw_links

    if withdraw:
        withdraw_links(site, request, json=json)
    else:
        list_links(site, request, json=json)


@request_app.command("close")
@at_service
def request_close(
    site: Site,
    json: bool,
    request: RequestArgument,
    note: Annotated[str, typer.Option("--note", help="What is to be known of it.")] = "",
) -> None:
    """Say that all is well, and that nothing more is expected of the lab."""
    from labwright.cli.requesting import changed

    changed(site, request, lambda desk: desk.close(request, note), json=json)
