"""`labwright request list|show|approve|wait|...`: requests at a service."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from ruamel.yaml import YAML

from labwright.cli.output import console, counted, emit, emitted, table
from labwright.cli.sites import Site, at
from labwright.cli.words import lasting, quoted, when
from labwright.client import KeptRequest, Quote, Review
from labwright.client.requests import Kind, Requests
from labwright.model.errors import ConfigError, RefusedError, unknown

SHORT, SHORTEST = 12, 8
"""Characters of a digest that are shown, and that name it at least."""


def list_requests(site: Site, state: str, project: str, owner: str, *, json: bool) -> None:
    """Requests that the key may see, the newest first.

    Raises:
        ConfigError: there is no such state.
    """
    _refuse_unknown(state)
    rows = at(site, lambda client: [*client.requests.list(state=state, project=project, owner=owner)])
    if json:
        emit(*(row.model_dump(mode="json") for row in rows))
        return
    columns = ("id", "project", "of", "title", "state", "priority", "", "changed (UTC)")
    cells = [
        (one.id, one.project, one.owner, one.title, one.state, one.priority, one.waits_for, when(one.changed_s))
        for one in rows
    ]
    table("Requests", columns, cells, json=False)


def show_request(site: Site, request: str, *, json: bool) -> None:
    """All that is known of a request.

    Raises:
        ConfigError: there is none that the key may see.
    """
    shown = at(site, lambda client: client.requests.get(request))
    if json:
        emit(facts(shown))
        return
    _print_head(shown)
    sys.stdout.write(f"\nWhat is asked for\n{_as_yaml(shown.content)}\n")
    if shown.quote is not None:
        print_quote(shown.quote)
    if shown.reviews:
        columns = ("review", "by", "decision", "because", "at (UTC)", "")
        rows = [
            (one.kind, one.reviewer, one.decision, one.because, when(one.at_s), "void" if one.void else "")
            for one in shown.reviews
        ]
        table("\nReviews", columns, rows, json=False)
    if shown.samples:
        columns = ("sample", "barcode", "at", "condition", "since (UTC)", "gone")
        rows = [
            (one["label"], one["barcode"], one["place"], one["condition"], when(one["at_s"]), one["gone"])
            for one in shown.samples
        ]
        table("\nSamples that have come", columns, rows, json=False)
    console.print(next_words(shown, site))


def decide(
    site: Site,
    request: str,
    decision: Literal["accept", "return", "reject"],
    kind: Kind,
    digest: str,
    because: str,
    *,
    json: bool,
) -> None:
    """Accept, return or reject what was read.

    Raises:
        RefusedError: it was edited since it was read, or the key does not review it.
        ConfigError: the digest is too short, or there is no such request.
    """
    if len(digest) < SHORTEST:
        raise ConfigError(f"--digest {digest!r} is too short to name a content: give {SHORTEST} characters or more")

    def there(desk: Requests) -> KeptRequest:
        shown = desk.get(request)
        if not shown.digest.startswith(digest.lower()):
            raise RefusedError(
                f"{request} is not what you have read: its content is {shown.digest[:SHORT]} now, and --digest names "
                f"{digest[:SHORT]}. Read it again: labwright request show {request} {site.option}"
            )
        ways = {"accept": desk.accept, "return": desk.return_, "reject": desk.reject}
        return ways[decision](request, kind, because, digest=shown.digest)

    changed(site, request, there, json=json)


def changed(site: Site, request: str, there: Callable[[Requests], KeptRequest], *, json: bool) -> None:
    """Change a request, and say how it stands then."""
    say(at(site, lambda client: there(client.requests)), site, json=json)


def say(shown: KeptRequest, site: Site, *, json: bool) -> None:
    """How a request stands, and what happens next."""
    if json:
        emit(facts(shown))
        return
    console.print(f"{shown.id} is {shown.state} (content {shown.digest[:SHORT]})", style="bold")
    console.print(next_words(shown, site))


def wait_for(site: Site, request: str, until: str, deadline_s: float, *, json: bool) -> None:
    """Wait until a request is in a state, and tell what it waits for meanwhile.

    Raises:
        ConfigError: there is no such state, or no such request.
        NotReachedError: it does not come there.
    """
    _refuse_unknown(until)

    said: set[str] = set()

    def heard(shown: KeptRequest) -> None:
        said.add(shown.state)
        if json:
            emitted({"id": shown.id, "state": shown.state, "waits_for": shown.waits_for})
        else:
            words = f": {shown.waits_for}" if shown.waits_for else ""
            console.print(f"{when(time.time())}  {shown.id} is {shown.state}{words}")

    shown = at(site, lambda client: client.requests.wait(request, until, deadline_s=deadline_s, say=heard))
    if json:
        emit(facts(shown))
    elif shown.state not in said:
        heard(shown)


def fetch(site: Site, request: str, folder: Path, *, json: bool) -> None:
    """Fetch what was found into a new folder.

    Raises:
        ConfigError: there is such a folder.
        RefusedError: nothing was delivered yet.
        BundleError: what has come is not what the lab has written.
    """
    at(site, lambda client: client.requests.fetch(request, folder))
    files = sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())
    if json:
        emit({"request": request, "folder": str(folder), "files": files})
        return
    console.print(f"{counted(len(files), 'file')} of {request}, as the lab has written them, in {quoted(folder)}")
    console.print(f"If all is well: labwright request close {request} {site.option}")


def facts(shown: KeptRequest) -> dict[str, Any]:
    """A request as JSON."""
    found: dict[str, Any] = shown.model_dump(mode="json")
    return found


def print_quote(quote: Quote) -> None:
    """What a request takes and costs, and when it could be done."""
    cost = quote.cost
    words = f"{cost.whole:g} {cost.currency}".strip()
    words += f": {cost.fixed:g}, and {cost.experiment:g} for each experiment" if cost.fixed else ""
    rows = [
        ("experiments", quote.experiments),
        ("cost", words if cost.whole else "nothing"),
        ("stations, minutes for each", _amounts({name: f"{it:.3g}" for name, it in quote.minutes.items()})),
        ("before the first, minutes", _amounts({name: f"{it:.3g}" for name, it in quote.fixed_minutes.items()})),
        ("materials", _amounts(quote.materials)),
        ("could start", _moment(quote.starts_in_s)),
        ("could be over", _moment(quote.ends_in_s)),
        *(("", note) for note in quote.notes),
    ]
    table("What it takes", ("", ""), [row for row in rows if row[1] not in ("", None)], json=False)


def next_words(shown: KeptRequest, site: Site) -> str:
    """What happens next, with the command for it."""
    name = f"{shown.id} {site.option}"
    if shown.state in ("validated", "under_review"):
        missing = _missing(shown)
        decide_ = f"labwright request approve|return|reject {shown.id} --kind KIND --digest {shown.digest[:SHORT]}"
        return (
            f"Next: {missing or shown.waits_for or 'it is approved'}; reviewers type: {decide_} --reason TEXT "
            f"{site.option}\nWait for it: labwright request wait {name}"
        )
    if shown.state == "needs_information":
        return f"{asked_back(shown)}Next: labwright request submit FILE --request {shown.id} --note TEXT {site.option}"
    words = {
        "draft": f"it was not submitted: labwright request submit FILE --request {name}",
        "submitted": f"the lab looks at it: labwright request wait {name} --until validated",
        "approved": "it is queued",
        "awaiting_samples": f"{shown.waits_for}; as they come: labwright request receive {shown.id} LABEL BARCODE "
        f"{site.option}",
        "queued": f"{shown.waits_for or 'the controller takes it'}: labwright request wait {name}",
        "running": f"it is carried out: labwright request wait {name}",
        "awaiting_operator": f"the lab's people answer a question: labwright request wait {name}",
        "delivered": f"labwright request fetch {name}",
    }.get(shown.state, "")
    if shown.abort is not None and shown.state in ("queued", "running", "awaiting_operator"):
        words = f"it is stopped after the operations under way: labwright request wait {name}"
    return f"Next: {words}" if words else f"Nothing more happens to {shown.id}"


def asked_back(shown: KeptRequest) -> str:
    """What a reviewer has asked last, on a line of its own; empty if that is not why it was returned."""
    asked = [one for one in shown.reviews if one.decision == "return" and not one.void]
    return f"{asked[-1].reviewer} asks: {asked[-1].because}\n" if asked else ""


def _missing(shown: KeptRequest) -> str:
    """Reviews that are still needed, in words."""
    if shown.needs is None:
        return ""
    since: list[Review] = []
    for one in shown.reviews:
        since = [] if one.decision != "accept" else [*since, one]
    found = []
    for kind, number in (("technical", shown.needs.technical), ("safety", shown.needs.safety)):
        left = number - sum(one.kind == kind and not one.void for one in since)
        if left > 0:
            found.append(counted(left, f"{kind} review"))
    return f"{' and '.join(found)} to come" if found else ""


def _print_head(shown: KeptRequest) -> None:
    rows = [
        ("request", shown.id),
        ("title", shown.title),
        ("project", shown.project),
        ("of", shown.owner),
        ("state", shown.state + (f": {shown.waits_for}" if shown.waits_for else "")),
        ("content", shown.digest[:SHORT]),
        ("campaign", shown.campaign),
        ("approved until (UTC)", when(shown.valid_until_s) if shown.valid_until_s else ""),
        (
            "reserved, charged",
            _amounts({k: f"{v['reserved']:g}, {v['charged'] or 0:g}" for k, v in shown.charges.items()}),
        ),
        ("outcome", (shown.outcome or {}).get("reason", "")),
    ]
    table("", ("", ""), [row for row in rows if row[1]], json=False)


def _amounts(by_name: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {amount}" for name, amount in by_name.items())


def _moment(in_s: float | None) -> str:
    return "" if in_s is None else f"in {lasting(in_s)} of lab time"


def _as_yaml(content: Mapping[str, Any]) -> str:
    yaml = YAML(typ="safe")
    yaml.default_flow_style = None
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.allow_unicode = True
    text = io.StringIO()
    yaml.dump(dict(content), text)
    return text.getvalue()


def _refuse_unknown(state: str) -> None:
    from labwright.service.desk.states import STATES

    if state and state not in STATES:
        raise ConfigError(unknown("state of a request", state, STATES))
