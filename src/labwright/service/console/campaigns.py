"""Campaigns: the list, and each with its experiments, pictures, and what may be done with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
import sqlalchemy as sa
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from labwright.journal import Journal, schema
from labwright.journal.listing import listed
from labwright.journal.reading import controller, listed_rows, spec_of
from labwright.model.campaign import Fidelity, Objective, OutcomeLimit, Trial
from labwright.model.figures import measured
from labwright.model.happened import told
from labwright.model.judging import counts, front
from labwright.model.remarks import About
from labwright.model.states import OVER
from labwright.report.best import fronts
from labwright.report.pictures import best_so_far
from labwright.service.campaigns import row_of
from labwright.service.console.drawing import cards_of_campaign
from labwright.service.console.labels import Words
from labwright.service.console.live import page
from labwright.service.console.look import look_of
from labwright.service.console.page import PageRoute, Shown, fragment, rendered
from labwright.service.console.saying import said_about
from labwright.service.gate import ANONYMOUS, Asker
from labwright.service.problems import Problem
from labwright.service.rights import Action, can
from labwright.service.state import Asking, Here, Service

router = APIRouter(include_in_schema=False, route_class=PageRoute)

CAMPAIGNS_MOST = 100
"""In the list."""

TRIALS_MOST = 100
"""On a page of experiments."""

DRAWN_MOST = 2000
"""Experiments that are read for a picture each time something happens."""

LAST = 12
"""Events that are shown of a campaign."""

STEERED: tuple[Action, ...] = ("campaign.pause", "campaign.steer", "campaign.stop", "data.export")


def campaigns(service: Service, asker: Asker, words: Words, request: Request) -> Shown:
    """Campaigns that one may see, the newest first."""
    known = service.owned.known()
    found: list[dict[str, Any]] = []
    with service.records.reading() as journal:
        here = controller(journal)
        for row in reversed(listed_rows(journal)):
            if len(found) == CAMPAIGNS_MOST:
                break
            if can(asker.who, "campaign.read", service.owned.campaign(journal, row["id"], known=known)):
                found.append(listed(journal, row, here))
    if not found and asker.who is ANONYMOUS:
        raise Problem("unauthenticated", "no campaign is open to everyone: sign in")
    return Shown(words("campaigns"), "campaigns", {"campaigns": found, "most": CAMPAIGNS_MOST}, ("list",))


def campaign(service: Service, asker: Asker, words: Words, request: Request) -> Shown:
    """A campaign."""
    name = str(request.path_params["campaign"])
    before = request.query_params.get("before", "")
    with service.records.reading() as journal:
        row = row_of(service, asker, journal, name)
        facts = listed(journal, row, controller(journal))
        spec = spec_of(journal, name)
        resource = service.owned.campaign(journal, name)
        trials, more = _trials(journal, name, int(before) if before.isdecimal() else None)
        pictures = _pictures(journal, name, spec)
        happened = _happened(journal, name)
        by = _started_by(journal, name)
        said = said_about(service, asker, journal, About(kind="campaign", campaign=name))
    data = {
        "campaign": facts,
        "by": by,
        "said": said,
        "trials": trials,
        "earlier": more,
        "spec": spec,
        "over": row["state"] in OVER,
        "rights": {action: bool(can(asker.who, action, resource)) for action in STEERED},
        "parameters": spec["space"]["parameters"],
        "objectives": [spec["objective"], *spec.get("more_objectives", ())],
        "outcome": _outcome,
        "pictures": pictures,
        "happened": happened,
    }
    regions = ("facts", "steering", "pictures", "trials", "deviations", "notes", "happened")
    return Shown(facts["title"] or facts["name"], "campaign", data, regions)


def _trials(journal: Journal, campaign: str, before: int | None) -> tuple[list[tuple[str, Trial]], int | None]:
    """The newest experiments and proposals, each with its label; and the number before which there are more."""
    table = schema.trial
    mine = [table.c.campaign == campaign, *([] if before is None else [table.c.n < before])]
    query = sa.select(table.c.n, table.c.label, table.c.trial).where(*mine).order_by(table.c.n.desc())
    rows = journal.read(query.limit(TRIALS_MOST + 1))
    page = rows[:TRIALS_MOST]
    found = [(str(row["label"]), Trial.model_validate_json(row["trial"])) for row in page]
    return found, int(page[-1]["n"]) if len(rows) > TRIALS_MOST else None


def _outcome(trial: Trial, objective: dict[str, Any]) -> str:
    """What was measured in an experiment."""
    found = trial.outcomes.get(objective["name"]) if trial.status == "done" else None
    return "" if found is None else measured(found.mean, found.sem)


def _pictures(journal: Journal, campaign: str, spec: dict[str, Any]) -> list[Markup]:
    """What was found so far, drawn without a model: as in the report."""
    table = schema.trial
    done = (table.c.campaign == campaign, table.c.status == "done")
    (row,) = journal.read(sa.select(sa.func.count().label("n")).where(*done))
    if not 0 < row["n"] <= DRAWN_MOST:
        return []
    trials = [Trial.model_validate_json(one["trial"]) for one in journal.rows(table, *done, order=table.c.n)]
    objectives = [Objective.model_validate(one) for one in (spec["objective"], *spec.get("more_objectives", ()))]
    limits = [OutcomeLimit.model_validate(one) for one in spec.get("outcome_limits", ())]
    fidelity = Fidelity.model_validate(spec["fidelity"]) if spec.get("fidelity") else None
    counted = [one for one in trials if counts(one, limits, fidelity)]
    if len(objectives) > 1 and counted:
        drawn = fronts(objectives, trials, front(objectives, counted))
        return [Markup(one) for one in drawn]  # noqa: S704 - as below
    return _best(objectives[0], trials, counted)


def _best(objective: Objective, trials: Sequence[Trial], counted: Sequence[Trial]) -> list[Markup]:
    numbers: list[float] = []
    values: list[float] = []
    among = {one.id for one in counted}
    best: float | None = None
    for number, trial in enumerate(trials, 1):
        value = trial.outcomes[objective.name].mean
        if trial.id in among and (best is None or objective.merit(value) > objective.merit(best)):
            best = value
        if best is not None:
            numbers.append(float(number))
            values.append(best)
    if not numbers:
        return []
    svg = best_so_far([("best single mean, as measured", numbers, values)], objective.unit)
    return [Markup(svg)]  # noqa: S704 - drawn here, every text in it is escaped


def _happened(journal: Journal, campaign: str) -> list[dict[str, Any]]:
    """The newest events of a campaign, in words."""
    event = schema.event
    query = sa.select(event.c.id, event.c.wall_time_s, event.c.payload).where(event.c.campaign == campaign)
    rows = journal.read(query.order_by(event.c.id.desc()).limit(LAST))
    return [{**row, "words": told(orjson.loads(row["payload"])).replace(f"{campaign}/", "")} for row in rows]


def _started_by(journal: Journal, campaign: str) -> str:
    event = schema.event
    query = sa.select(event.c.payload).where(event.c.campaign == campaign).order_by(event.c.id).limit(1)
    return str(orjson.loads(journal.read(query)[0]["payload"]).get("by", ""))


@router.get("/campaigns/{campaign}/model")
def model(service: Here, asker: Asking, request: Request, campaign: str) -> Response:
    """The pictures of a campaign that take the planner's model: a page, or for htmx a part of one."""
    table = schema.trial
    with service.records.reading() as journal:
        row = row_of(service, asker, journal, campaign)
        ended = (table.c.campaign == campaign, table.c.status.in_(("done", "failed")))
        event = schema.event
        judged = (event.c.campaign == campaign, event.c.kind.in_(("deviation_opened", "deviation_closed")))
        counts_of = (sa.select(sa.func.count().label("n")).where(*some) for some in (ended, judged))
        known = sum(int(journal.read(one)[0]["n"]) for one in counts_of)  # grows with all that changes a picture
    cards = cards_of_campaign(service.settings.journal, campaign, known)
    shown = [{**card, "picture": Markup(card["picture"])} for card in cards]  # noqa: S704 - drawn by us
    words = Words(look_of(request).language)
    data = {"cards": shown, "campaign": campaign}
    if request.headers.get("hx-request") == "true":
        return HTMLResponse(fragment("model/cards.html", words, **data))
    return rendered(service, asker, request, Shown(row["title"] or row["name"], "model", data))


page(router, "/campaigns", campaigns)
page(router, "/campaigns/{campaign}", campaign)
