"""`labwright note` and `labwright deviation`: what people say, through the controller if one runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from labwright.cli.output import console, counted, emit, table
from labwright.cli.sites import Place, done, seen
from labwright.cli.words import when
from labwright.engine.remarks import (
    ConclusionAsked,
    DeviationAsked,
    NoteAsked,
    RemarkAsked,
    about_named,
    say_alone,
)
from labwright.facts.remarks import deviation_list, note_list, one_remark
from labwright.journal import Journal
from labwright.journal.asking import ask_controller
from labwright.journal.reading import choose
from labwright.model.errors import ConfigError
from labwright.model.remarks import AS_MEASURED, About, Category, Severity, Use

if TYPE_CHECKING:
    from labwright.client import Client


@dataclass(frozen=True)
class Named:
    """What a person names on the command line.

    Attributes:
        campaign: its id or name.
        experiment: of that.
        sample: as ``CAMPAIGN/LABEL``.
        station: its name.
        stock: its container.
    """

    campaign: str = ""
    experiment: str = ""
    sample: str = ""
    station: str = ""
    stock: str = ""

    def __bool__(self) -> bool:
        return any(asdict(self).values())

    def about(self, journal: Journal) -> About:
        """What is meant by it in a journal."""
        campaign = str(choose(journal, self.campaign)["id"]) if self.campaign else ""
        return about_named(**{**asdict(self), "campaign": campaign})

    def at(self, client: Client) -> dict[str, str]:
        """The same at a service."""
        given = {name: text for name, text in asdict(self).items() if text}
        return {**given, "campaign": client.campaigns.id_of(self.campaign)} if self.campaign else given


@dataclass(frozen=True)
class Deviating:
    """What a person says of a deviation; as in `DeviationAsked`."""

    expected: str
    happened: str
    category: Category
    severity: Severity
    action: str = ""
    use: Use = AS_MEASURED
    experiments: tuple[str, ...] = ()


def write(place: Place, text: str, named: Named, *, by: str, json: bool) -> None:
    """Write a note.

    Raises:
        ConfigError: it is about nothing, or about what is not there.
    """

    def here(journal: Journal) -> str:
        about = named.about(journal)
        said = {"about": about.model_dump(), "text": text}
        return _say(journal, "note", said, NoteAsked(_text(text), about), by)

    note = done(place, here, lambda client: client.notes.write(text, **named.at(client)))
    _told(json, {"note": note, "by": by}, f"Note {note} is written")


def replace(place: Place, note: str, text: str, *, by: str, json: bool) -> None:
    """Write a note in the place of another.

    Raises:
        ConfigError: there is none of that id.
        RefusedError: another has taken its place already.
    """

    def here(journal: Journal) -> str:
        said = {"text": text, "replaces": note}
        return _say(journal, "note", said, NoteAsked(_text(text), replaces=note), by)

    new = done(place, here, lambda client: client.notes.replace(note, text))
    _told(json, {"note": new, "replaces": note, "by": by}, f"Note {new} is written in place of {note}, which stays")


def open_deviation(place: Place, named: Named, said: Deviating, *, by: str, json: bool) -> None:
    """Open a deviation.

    Raises:
        ConfigError: it is about what is not there, or says of no results how they may be used.
    """

    def here(journal: Journal) -> str:
        about = named.about(journal)
        asked = DeviationAsked(about, **vars(said))
        _text(said.expected), _text(said.happened)
        return _say(journal, "deviate", {"about": about.model_dump(), **vars(said)}, asked, by)

    def there(client: Client) -> str:
        about: dict[str, Any] = named.at(client)
        return client.deviations.open(**about, **vars(said))

    deviation = done(place, here, there)
    learnt = "" if said.use == AS_MEASURED else f". To be used: {said.use}; planners are asked without these results"
    words = f"Deviation {deviation} is open{learnt}. Close it with: labwright deviation close {deviation} CONCLUSION"
    _told(json, {"deviation": deviation, "by": by, "use": said.use}, f"{words} --by NAME")


def close_deviation(place: Place, deviation: str, conclusion: str, use: Use | None, *, by: str, json: bool) -> None:
    """Close a deviation.

    Raises:
        ConfigError: there is none of that id.
        RefusedError: it is closed, or another person has to close it.
    """

    def here(journal: Journal) -> str:
        asked = ConclusionAsked(deviation, _text(conclusion), use)
        return _say(journal, "conclude", {"deviation": deviation, "conclusion": conclusion, "use": use}, asked, by)

    done(place, here, lambda client: client.deviations.close(deviation, conclusion, use=use))
    _told(json, {"deviation": deviation, "by": by, "state": "closed"}, f"Deviation {deviation} is closed")


def list_notes(place: Place, named: Named, *, json: bool) -> None:
    """Notes, oldest first."""
    found = seen(
        place,
        lambda journal: note_list(journal, named.about(journal) if named else None),
        lambda client: [one.model_dump(mode="json") for one in client.notes.list(**named.at(client))],
    )
    if json:
        emit(*found.facts)
        return
    if not found.facts:
        console.print(f"{found.name}: no notes", markup=False)
        return
    rows = [(one["id"], _about(one), one["by"], when(one["said_s"]), one["text"], _place(one)) for one in found.facts]
    columns = ("note", "about", "by", "when (UTC)", "text", "")
    table(f"{found.name}: {counted(len(rows), 'note')}", columns, rows, json=False)


def list_deviations(place: Place, named: Named, *, open_only: bool, json: bool) -> None:
    """Deviations, oldest first."""
    found = seen(
        place,
        lambda journal: deviation_list(journal, named.about(journal) if named else None, open_only=open_only),
        lambda client: [
            one.model_dump(mode="json") for one in client.deviations.list(open_only=open_only, **named.at(client))
        ],
    )
    if json:
        emit(*found.facts)
        return
    if not found.facts:
        console.print(f"{found.name}: no {'open ' if open_only else ''}deviations", markup=False)
        return
    rows = [
        (
            one["id"],
            _about(one),
            one["severity"],
            one["category"],
            one["expected"],
            one["happened"],
            one["use"],
            f"{one['state']}: {one['conclusion']}" if one["conclusion"] else one["state"],
            one["by"],
            when(one["said_s"]),
        )
        for one in found.facts
    ]
    columns = ("deviation", "about", "severity", "category", "expected", "happened", "use", "state", "by", "when (UTC)")
    table(f"{found.name}: {counted(len(rows), 'deviation')}", columns, rows, json=False)


def show_deviation(place: Place, deviation: str, *, json: bool) -> None:
    """A deviation.

    Raises:
        ConfigError: there is none of that id.
    """
    row = seen(
        place,
        lambda journal: one_remark(journal, _deviation(deviation)),
        lambda client: client.deviations.show(deviation).model_dump(mode="json"),
    ).facts
    if json:
        emit(row)
        return
    at_first = f" (at first {row['first_use']})" if row["first_use"] != row["use"] else ""
    closed = f" by {row['closed_by']} at {when(row['closed_s'])} UTC" if row["closed_by"] else ""
    facts = [
        ("deviation", row["id"]),
        ("about", _about(row)),
        ("concerns", ", ".join(row["experiments"])),
        ("severity", row["severity"]),
        ("category", row["category"]),
        ("expected", row["expected"]),
        ("happened", row["happened"]),
        ("done at once", row["action"]),
        ("use of results", f"{row['use']}{at_first}"),
        ("opened", f"by {row['by']} at {when(row['said_s'])} UTC"),
        ("state", f"{row['state']}{closed}"),
        ("conclusion", row["conclusion"]),
    ]
    table("", ("", ""), [one for one in facts if one[1]], json=False)


def _say(journal: Journal, kind: str, payload: Mapping[str, Any], asked: RemarkAsked, by: str) -> str:
    """Have it recorded; its id.

    Raises:
        ConfigError: the person is not named; or as from the controller.
    """
    if not by.strip():
        raise ConfigError("--by must name the person: the journal records who says it; nothing was recorded")
    if journal.controlled():
        return ask_controller(journal, kind, payload, by=by, because="")
    return say_alone(journal, asked, by=by).id


def _text(text: str) -> str:
    """A text that says something.

    Raises:
        ConfigError: it is empty.
    """
    if not text.strip():
        raise ConfigError("the text is empty; nothing was recorded")
    return text.strip()


def _deviation(name: str) -> str:
    if not name.startswith("D"):
        raise ConfigError(f"there is no deviation {name[:40]!r}; labwright deviation list has them")
    return name


def _about(row: Mapping[str, Any]) -> str:
    """What it is about; a campaign's id below, since it is long."""
    what = f"{row['about']} {row['name'] or row['label']}".strip()
    return f"{what}\n{row['campaign']}" if row["campaign"] else what


def _place(note: Mapping[str, Any]) -> str:
    """Which note it replaces, or was replaced by."""
    if note["replaced_by"]:
        return f"replaced by {note['replaced_by']}"
    return f"in place of {note['replaces']}" if note["replaces"] else ""


def _told(json: bool, facts: Mapping[str, Any], words: str) -> None:
    if json:
        emit(dict(facts))
        return
    console.print(words, style="bold", markup=False)
