"""Options that several verbs have, each with its one help."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from labwright.cli.places import journal_place, kept_data, lab_root
from labwright.cli.sites import Place, Site, done, site_of
from labwright.model.errors import ConfigError, RefusedError
from labwright.model.numbers import number


def strict_float(low: float | None = None, high: float | None = None) -> Callable[[Any], float]:
    """A parser for a numeric option: typer's own takes ``1_0``, ``nan`` and digits of other scripts.

    Args:
        low: smallest value allowed.
        high: largest value allowed.
    """

    def parse(text: Any) -> float:
        try:
            value = number(text) if isinstance(text, str) else float(text)
        except ConfigError as error:
            raise typer.BadParameter(str(error)) from error
        if (low is not None and value < low) or (high is not None and value > high):
            allowed = (
                f"at least {low:g}" if high is None else f"at most {high:g}" if low is None else f"{low:g} to {high:g}"
            )
            raise typer.BadParameter(f"{value:g} is outside the allowed range: {allowed}")
        return value

    return parse


def strict_int(low: int | None = None, high: int | None = None) -> Callable[[Any], int]:
    """The same for a whole number, written in plain digits."""
    parse_number = strict_float(low, high)

    def parse(text: Any) -> int:
        parse_number(text)
        if isinstance(text, str) and not text.strip().lstrip("+-").isdecimal():
            raise typer.BadParameter(f"{text!r} is not a whole number")
        return int(text)

    return parse


def strict_limit(text: Any) -> float:
    """A parser for a limit: a number from 0, or ``none`` for none, which is infinite here."""
    return math.inf if text == "none" or text == math.inf else strict_float(0)(text)


def moment_s(text: Any) -> float:
    """A date and time with its offset from UTC, as lab time."""
    from pydantic import TypeAdapter, ValidationError

    from labwright.model.moments import Moment

    try:
        moment: datetime = TypeAdapter(Moment).validate_python(text)
    except ValidationError as error:
        raise typer.BadParameter(error.errors()[0]["msg"].removeprefix("Value error, ")) from error
    return moment.timestamp()


LabOption = Annotated[Path | None, typer.Option("--lab", help="The lab's folder; this one, or the reference lab.")]
DataOption = Annotated[Path | None, typer.Option("--data", help="Folder of journal, runs and reports; LAB/var.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object per line on standard output.")]
FromOption = Annotated[
    float | None,
    typer.Option(
        "--from", parser=moment_s, metavar="DATE", help="When it starts, as 2026-12-01T09:00+09:00; calendars count."
    ),
]
SimulatedOption = Annotated[bool, typer.Option("--simulated", help="On the lab's simulated instruments.")]
EndpointsOption = Annotated[
    Path | None, typer.Option("--endpoints", help="File written by `labwright simulate`: use those instruments.")
]
JournalOption = Annotated[
    str,
    typer.Option(
        "--journal", envvar="LABWRIGHT_JOURNAL", help="URL of a journal in PostgreSQL; DATA/journal.sqlite without."
    ),
]
ByOption = Annotated[str, typer.Option("--by", help="Who does it, for the journal; the system's user without.")]
SpeedOption = Annotated[
    float,
    typer.Option(
        "--speed",
        help="Lab seconds per second; 0 is the stepped clock, as fast as it goes.",
        parser=strict_float(0, 100),
        metavar="<float>",
    ),
]
CampaignArgument = Annotated[
    str, typer.Argument(metavar="[ID|NAME]", help="A campaign's id, or its name: the newest of it; the newest of all.")
]
SpecArgument = Annotated[str, typer.Argument(help="A campaign's name in the lab, or a file.")]
BudgetOption = Annotated[
    int | None, typer.Option("--budget", help="Instead of the file's.", parser=strict_int(1), metavar="<int>")
]
ParallelOption = Annotated[
    int | None,
    typer.Option(
        "--parallel",
        help="Samples on their way at once; instead of the file's.",
        parser=strict_int(1, 1000),
        metavar="<int>",
    ),
]
SeedOption = Annotated[
    int | None, typer.Option("--seed", help="Instead of the file's.", parser=strict_int(0), metavar="<int>")
]
PlannerOption = Annotated[str | None, typer.Option("--planner", help="Instead of the file's.")]
StoreOption = Annotated[bool, typer.Option(help="Upload into an embedded Tiled catalogue as well.")]
LabChangedOption = Annotated[
    bool,
    typer.Option("--lab-changed", help="Resume although the lab's files have changed: a person has checked them."),
]
DecisionsChangedOption = Annotated[
    bool,
    typer.Option(
        "--decisions-changed",
        help="Resume although this version of Labwright decides otherwise than the journal has it: a person has "
        "looked at the samples.",
    ),
]
QuestionOption = Annotated[
    Literal["wait", "fail"],
    typer.Option("--on-question", help="wait for a person's answer, or end the campaign (for runs without people)."),
]
InstrumentsOption = Annotated[
    str,
    typer.Option(
        "--instruments",
        help="Which, if the journal knows several: real, here (simulated by --simulated), or the file of --endpoints.",
    ),
]
UrlOption = Annotated[
    str, typer.Option("--url", help="Of a service (labwright serve), instead of a folder. [env var: LABWRIGHT_URL]")
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option("--key-file", help="File with the key for --url, that you alone may read. [env var: LABWRIGHT_KEY]"),
]
UntilOption = Annotated[
    float | None,
    typer.Option("--until", parser=moment_s, metavar="DATE", help="When it ends, as 2027-03-31T18:00+09:00."),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", help="Write the secret to this new file, which you alone may read; not on the screen."
    ),
]
MaybeBy = Annotated[str | None, typer.Option("--by", help="The person; recorded in the journal.")]
Because = Annotated[str, typer.Option("--reason", help="Why; recorded as well.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for the journal.")]

OLD_REASON = "--because"
"""What ``--reason`` was called before."""


class WithReason(TyperCommand):
    """A command with ``--reason`` that still takes its old name, and says that it is old."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line with ``--reason`` in the place of its old name."""
        renamed = list(_renamed(args))
        if renamed != args:
            typer.echo(f"{OLD_REASON} is deprecated: write --reason instead", err=True)
        return super().parse_args(ctx, renamed)


def _renamed(args: Sequence[str]) -> Iterator[str]:
    options = True  # until "--", after which every word is a value
    for word in args:
        options = options and word != "--"
        name, equals, text = word.partition("=")
        yield f"--reason{equals}{text}" if options and name == OLD_REASON else word


def journal_or_site(lab: Path | None, data: Path | None, journal: str, url: str, key_file: Path | None) -> Place:
    """Where a verb on a journal works: what is named, else what the environment says.

    Raises:
        ConfigError: there is none, or two are named.
    """
    named = bool(lab or data) or (bool(journal) and not (url and journal == os.environ.get("LABWRIGHT_JOURNAL")))
    return site_of(url, key_file, named) or journal_place(lab, data, journal)


def on_journal(verb: Callable[..., None]) -> Callable[..., None]:
    """A command on a journal, or on a service: with the options that name it besides what its verb has.

    Args:
        verb: called with the `place` that these name, with `json`, with `lab` if it takes that, and with its own. Where
            it needs a person (``by`` without a default) that is the owner of the key at a service.
    """

    def command(
        lab: LabOption = None,
        data: DataOption = None,
        journal: JournalOption = "",
        url: UrlOption = "",
        key_file: KeyFileOption = None,
        json: JsonOption = False,
        **own: Any,
    ) -> None:
        place = journal_or_site(lab, data, journal, url, key_file)
        if passes_lab:
            own["lab"] = lab
        if "by" in own:
            own["by"] = _person(place, own["by"], needed=by.default is inspect.Parameter.empty)
        verb(place=place, json=json, **own)

    mine = inspect.signature(verb).parameters
    by = mine.get("by", inspect.Parameter("by", inspect.Parameter.KEYWORD_ONLY))
    passes_lab = "lab" in mine
    return _joined(verb, command, ("place", "json", "lab"))


def on_data(verb: Callable[..., None]) -> Callable[..., None]:
    """A command on a data folder, or on a service: with the options that name it besides what its verb has.

    Args:
        verb: called with `data`, a folder or a service, and with its own.
    """

    def command(
        lab: LabOption = None,
        data: DataOption = None,
        url: UrlOption = "",
        key_file: KeyFileOption = None,
        **own: Any,
    ) -> None:
        verb(data=site_of(url, key_file, bool(lab or data)) or kept_data(lab, data), **own)

    return _joined(verb, command, ("data",))


_NOT_HERE = "No service: refused in words."
_NoLabOption = Annotated[Path | None, typer.Option("--lab", hidden=True, help=_NOT_HERE)]
_NoDataOption = Annotated[Path | None, typer.Option("--data", hidden=True, help=_NOT_HERE)]
_NoJournalOption = Annotated[str, typer.Option("--journal", hidden=True, help=_NOT_HERE)]
"""Of a command that works only at a service: taken so that this can be said."""


def at_service(verb: Callable[..., None]) -> Callable[..., None]:
    """A command at a service, and nowhere else: with the options that name it besides what its verb has.

    Args:
        verb: called with the `site`, with `json`, and with its own.
    """

    def command(
        url: UrlOption = "",
        key_file: KeyFileOption = None,
        json: JsonOption = False,
        lab: _NoLabOption = None,
        data: _NoDataOption = None,
        journal: _NoJournalOption = "",
        **own: Any,
    ) -> None:
        _refuse_folder(url, key_file, lab, data, journal)
        verb(site=needed_site(url, key_file), json=json, **own)

    return _joined(verb, command, ("site", "json"))


def needed_site(url: str, key_file: Path | None) -> Site:
    """The service that is meant, for what is only done at one.

    Raises:
        ConfigError: none is named.
    """
    site = site_of(url, key_file, False)
    if site is None:
        raise ConfigError(
            "this verb works only at a service: name its URL with --url, or with LABWRIGHT_URL. Start one with: "
            "labwright serve LAB; it says its URL"
        )
    return site


def _refuse_folder(url: str, key_file: Path | None, lab: Path | None, data: Path | None, journal: str) -> None:
    """Say that a verb works only at a service, and how to start one, where a folder or a journal is named.

    Raises:
        ConfigError: one is.
    """
    from labwright.cli.words import quoted

    named = lab or data or journal
    if not named:
        return
    site_of(url, key_file, True)  # refuses both at once
    start = f"{f' {quoted(lab)}' if lab else ''}{f' --data {quoted(data)}' if data else ''}"
    start += f" --journal {quoted(journal)}" if journal else ""
    raise ConfigError(
        f"{named} is a {'folder' if lab or data else 'journal'}, and this verb works only at a service. Start one with "
        f"labwright serve{start}, and name the URL that it says with --url, or with LABWRIGHT_URL"
    )


@dataclass(frozen=True)
class Who:
    """Whose entry it is, and where.

    Attributes:
        root: of the lab.
        place: of its journal, or a service.
        instruments: which deck; the only one if empty.
        by: the person.
        because: why.
        json: whether a program reads what is said.
    """

    root: Path
    place: Place
    instruments: str
    by: str
    because: str
    json: bool


def books(verb: Callable[..., None]) -> Callable[..., None]:
    """A command by which a person books something: with ``--by`` and ``--reason``, and the options that say where.

    Args:
        verb: called with `who` books it, and with its own.
    """

    def command(
        reason: Because,
        by: MaybeBy = None,
        instruments: InstrumentsOption = "",
        lab: LabOption = None,
        data: DataOption = None,
        journal: JournalOption = "",
        url: UrlOption = "",
        key_file: KeyFileOption = None,
        json: JsonOption = False,
        **own: Any,
    ) -> None:
        place = journal_or_site(lab, data, journal, url, key_file)
        person = _person(place, by, needed=True)
        verb(who=Who(lab_root(lab), place, instruments, person, reason, json), **own)

    return _joined(verb, command, ("who",))


def _person(place: Place, by: str | None, *, needed: bool) -> str:
    """Who does it: at a service the owner of the key, whom nothing else names.

    Raises:
        RefusedError: the key is another person's.
        BadParameter: no person is named for a folder's journal.
    """
    if not isinstance(place, Site):
        if needed and by is None:
            raise typer.BadParameter("Missing option '--by': the journal records the person")
        return by or ""
    return acts_as(place, by or "")


def acts_as(site: Site, by: str) -> str:
    """The owner of the key that is shown to a service.

    Raises:
        RefusedError: another person is named.
    """
    mine = done(site, lambda journal: "", lambda client: client.me().id)
    if by and by != mine:
        raise RefusedError(f"--by {by}: the key that is shown is {mine}'s, and {mine} is recorded; leave --by out")
    return mine


def _joined(verb: Callable[..., None], command: Callable[..., None], given: Collection[str]) -> Callable[..., None]:
    """A command with the options of both, and the help of its verb.

    Args:
        verb: what is done.
        command: calls it.
        given: what it is given by the command, and is no option.
    """
    mine = inspect.signature(verb, eval_str=True).parameters
    shared = inspect.signature(command, eval_str=True).parameters
    parameters = [_optional(one) if name == "by" else one for name, one in mine.items() if name not in given]
    parameters += [one for name, one in shared.items() if name != "own"]
    command.__doc__ = verb.__doc__
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # typer looks there
        [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
    )
    return command


def _optional(by: inspect.Parameter) -> inspect.Parameter:
    """Who does something need not be named to a service, which knows it from the key."""
    if by.default is not inspect.Parameter.empty:
        return by
    (option,) = by.annotation.__metadata__
    return by.replace(default=None, annotation=Annotated[str | None, option])
