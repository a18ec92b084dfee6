"""Notes and deviations: what people say about experiments, campaigns, samples, stations and stocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from labwright.answers.remarks import Deviation, Note, RemarkMade
from labwright.engine.remarks import ConclusionAsked, DeviationAsked, NoteAsked, RemarkAsked, Remarks, about_named
from labwright.facts.remarks import deviation_list, note_list, one_remark
from labwright.journal import Journal
from labwright.journal.asking import refuse_no_controller
from labwright.model.errors import ConfigError
from labwright.model.remarks import AS_MEASURED, About, Category, Said, Severity, Use
from labwright.service import commanding
from labwright.service.audit import Entry
from labwright.service.bodies import Body, StrictRoute
from labwright.service.declaring import answers, commanded, pages_of
from labwright.service.gate import Asker
from labwright.service.once import Answer
from labwright.service.owned import Known
from labwright.service.problems import Problem
from labwright.service.rights import Action, Resource, can
from labwright.service.state import Asking, Here, Service

of_notes = APIRouter(prefix="/v1/notes", route_class=StrictRoute, tags=["notes"])
of_deviations = APIRouter(prefix="/v1/deviations", route_class=StrictRoute, tags=["deviations"])

PAGE_MOST = 1000

Word = Annotated[str, Field(max_length=400)]
Words = Annotated[str, Query(max_length=400)]
Name = Annotated[str, Path(max_length=40)]
Cursor = Annotated[int, Query(ge=0, le=2**53, description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=PAGE_MOST)]


class _Named(Body):
    """What is said about something.

    Attributes:
        campaign: id of a campaign.
        experiment: label of an experiment of that; the campaign as a whole if empty.
        sample: or a sample, as CAMPAIGN/LABEL.
        station: or a station.
        stock: or the container of a stock.
    """

    campaign: Word = ""
    experiment: Word = ""
    sample: Word = ""
    station: Word = ""
    stock: Word = ""

    def about(self) -> About:
        """What is meant.

        Raises:
            ConfigError: nothing, or more than one thing.
        """
        return about_named(
            campaign=self.campaign, experiment=self.experiment, sample=self.sample, station=self.station,
            stock=self.stock,
        )  # fmt: skip


class WriteNote(_Named):
    """Writes a note.

    Attributes:
        text: that.
    """

    text: Said


class ReplaceNote(Body):
    """Puts another note in the place of one.

    Attributes:
        text: of the other.
    """

    text: Said


class OpenDeviation(_Named):
    """Records that something was not as it should be.

    Attributes:
        experiments: of a campaign, labels of those it concerns; all that it has started if there are none.
        expected: what should have been.
        happened: what was instead.
        category: where it comes from.
        severity: how bad it is.
        action: what was done about it at once.
        use: whether results may be used; no planner learns from what is not to be used as measured.
    """

    experiments: Annotated[list[Word], Field(max_length=10_000)] = []
    expected: Said
    happened: Said
    category: Category
    severity: Severity
    action: Annotated[str, Field(max_length=10_000)] = ""
    use: Use = AS_MEASURED


class CloseDeviation(Body):
    """Closes a deviation.

    Attributes:
        conclusion: what it has come to.
        use: whether results may be used from now on; as before if it is left out.
    """

    conclusion: Said
    use: Use | None = None


@of_notes.get("", name="list", responses=answers(pages_of(Note)))
def notes(
    service: Here,
    asker: Asking,
    campaign: Words = "",
    experiment: Words = "",
    sample: Words = "",
    station: Words = "",
    stock: Words = "",
    cursor: Cursor = 0,
    limit: Limit = 200,
) -> dict[str, Any]:
    """Notes that you may see, oldest first; those that were replaced are among them."""
    about = _asked(campaign, experiment, sample, station, stock)
    with service.records.reading() as journal:
        return _page(visible(service, asker, journal, note_list(journal, about, after=cursor)), limit)


@of_notes.post("", name="write", responses=commanded(RemarkMade))
async def write(service: Here, asker: Asking, request: Request, body: WriteNote) -> Response:
    """Write a note: it is never changed, only replaced."""
    asked = NoteAsked(body.text, body.about())
    payload = {"about": body.about().model_dump(), "text": body.text}
    return await _say(service, asker, request, "note.write", "note", lambda journal: body.about(), asked, payload)


@of_notes.post("/{note}/replace", name="replace", responses=commanded(RemarkMade))
async def replace(service: Here, asker: Asking, request: Request, note: Name, body: ReplaceNote) -> Response:
    """Correct a note by another that takes its place; the first stays to be read."""
    asked = NoteAsked(body.text, replaces=note)
    payload = {"text": body.text, "replaces": note}
    return await _say(service, asker, request, "note.write", "note", _of(note, "N"), asked, payload)


@of_deviations.get("", name="list", responses=answers(pages_of(Deviation)))
def deviations(
    service: Here,
    asker: Asking,
    campaign: Words = "",
    experiment: Words = "",
    sample: Words = "",
    station: Words = "",
    open: Annotated[bool, Query(description="only those that no person has closed")] = False,
    cursor: Cursor = 0,
    limit: Limit = 200,
) -> dict[str, Any]:
    """Deviations that you may see, oldest first."""
    about = _asked(campaign, experiment, sample, station, "")
    with service.records.reading() as journal:
        found = deviation_list(journal, about, open_only=open, after=cursor)
        return _page(visible(service, asker, journal, found), limit)


@of_deviations.get("/{deviation}", name="get", responses=answers(Deviation))
def one(service: Here, asker: Asking, deviation: Name) -> dict[str, Any]:
    """A deviation."""
    with service.records.reading() as journal:
        _need(service, asker, journal, _of(deviation, "D"), None)
        return one_remark(journal, deviation)


@of_deviations.post("", name="open", responses=commanded(RemarkMade))
async def open_one(service: Here, asker: Asking, request: Request, body: OpenDeviation) -> Response:
    """Record that something about an experiment, a campaign or a station was not as it should be."""
    same = ("expected", "happened", "category", "severity", "action", "use", "experiments")
    fields = {name: getattr(body, name) for name in same}
    asked = DeviationAsked(body.about(), **{**fields, "experiments": tuple(body.experiments)})
    payload = {"about": body.about().model_dump(), **fields}
    return await _say(
        service, asker, request, "deviation.write", "deviate", lambda journal: body.about(), asked, payload
    )


@of_deviations.post("/{deviation}/close", name="close", responses=commanded(RemarkMade))
async def close(service: Here, asker: Asking, request: Request, deviation: Name, body: CloseDeviation) -> Response:
    """Close a deviation with a conclusion; a critical one is closed by another person than has opened it."""
    asked = ConclusionAsked(deviation, body.conclusion, body.use)
    payload = {"deviation": deviation, "conclusion": body.conclusion, "use": body.use}
    return await _say(service, asker, request, "deviation.write", "conclude", _of(deviation, "D"), asked, payload)


def visible(service: Service, asker: Asker, journal: Journal, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Of notes or deviations those that one may see."""
    known = service.owned.known()
    return (
        row
        for row in rows
        if can(asker.who, _read(row["about"]), _resource(service, journal, row["about"], row, known=known))
    )


def may_say(service: Service, asker: Asker, journal: Journal, action: Action, about: About) -> bool:
    """Whether one may write a note, or a deviation, about something."""
    return bool(can(asker.who, action, _resource(service, journal, about.kind, about.model_dump())))


def _read(kind: str) -> Action:
    by_kind: Mapping[str, Action] = {"station": "lab.read", "stock": "stock.read", "sample": "sample.read"}
    return by_kind.get(kind, "campaign.read")


def _resource(
    service: Service, journal: Journal, kind: str, about: Mapping[str, Any], known: Known | None = None
) -> Resource:
    """What something is about, as rights look at it."""
    if kind == "station":
        return Resource("lab", about["name"])
    if kind == "stock":
        return Resource("stock", about["name"])
    if kind == "sample":
        name = f"{about['campaign']}/{about['label']}"
        return service.owned.campaign(journal, about["campaign"], "sample", name, known)
    return service.owned.campaign(journal, about["campaign"], known=known)


def _asked(campaign: str, experiment: str, sample: str, station: str, stock: str) -> About | None:
    """What a list is wanted of; None for all."""
    if not any((campaign, experiment, sample, station, stock)):
        return None
    return about_named(campaign=campaign, experiment=experiment, sample=sample, station=station, stock=stock)


def _page(rows: Iterator[dict[str, Any]], limit: int) -> dict[str, Any]:
    found = list(islice(rows, limit + 1))
    return {"items": found[:limit], "next": found[limit - 1]["n"] if len(found) > limit else None}


def _of(name: str, letter: str) -> Callable[[Journal], About]:
    """What a note or a deviation is about, by its id."""

    def about(journal: Journal) -> About:
        if not name.startswith(letter):
            raise ConfigError(f"there is no {name[:40]!r} here")
        row = one_remark(journal, name)
        return About(kind=row["about"], name=row["name"], campaign=row["campaign"], label=row["label"])

    return about


def _need(
    service: Service, asker: Asker, journal: Journal, about: Callable[[Journal], About], action: Action | None
) -> About:
    """Let through who may see what something is about, and say something about it.

    Returns:
        what it is about.

    Raises:
        Problem: it is not there, or may not be seen: which of both is not said; or nothing may be said about it.
    """
    try:
        meant = about(journal)
        what = _resource(service, journal, meant.kind, meant.model_dump())
    except (ConfigError, IndexError) as error:  # no such note, or no such campaign: who sees all learns which
        if can(asker.who, "campaign.read", Resource("campaign")):
            raise Problem("not_found", str(error) if isinstance(error, ConfigError) else "no such campaign") from error
        raise Problem("not_found", "it is not there, or you may not see it") from error
    if not can(asker.who, _read(meant.kind), what):
        service.gate.need(asker, _read(meant.kind), what)
    if action is not None:
        service.gate.need(asker, action, what)
    return meant


async def _say(
    service: Service,
    asker: Asker,
    request: Request,
    action: Action,
    kind: str,
    about: Callable[[Journal], About],
    asked: RemarkAsked,
    payload: Mapping[str, Any],
) -> Response:
    """Have the controller record what a person says.

    Args:
        service: with the journal.
        asker: who says it.
        request: with its Idempotency-Key.
        action: for which a right is needed.
        kind: of command.
        about: finds out what it is about.
        asked: what is to be recorded.
        payload: the same for the controller.
    """
    meant = await service.records.in_thread(lambda journal: _need(service, asker, journal, about, action))

    def look(journal: Journal, key: str) -> None:
        if commanding.of_key(journal, key) is None:  # else it may be what has changed what is looked at
            refuse_no_controller(journal, kind)
            Remarks(journal).event(asked, asker.who.id, time.time())

    async def work(key: str) -> Answer:
        await service.records.in_thread(look, key)
        return await commanding.command(
            service, "", kind, payload, by=asker.who.id, because="", key=key, trace=asker.trace
        )

    target = str(meant).replace(" ", "/", 1)
    entry = Entry(asker.who.id, action, target, via=asker.who.key, after=payload, trace=asker.trace)
    return await service.once.do(request, asker, entry, work)


router = APIRouter(route_class=StrictRoute)
router.include_router(of_notes)
router.include_router(of_deviations)
