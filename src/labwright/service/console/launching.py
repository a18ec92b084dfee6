"""Launching a campaign: one of the lab's, or one that is written here; looked at before it is handed over."""

from __future__ import annotations

import io
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from labwright.engine import campaign_files
from labwright.journal.reading import spec_of
from labwright.model.spec import CampaignSpec
from labwright.planners.registry import PLANNERS
from labwright.service.campaigns import row_of
from labwright.service.console.inside import inside
from labwright.service.console.labels import Words
from labwright.service.console.look import look_of
from labwright.service.console.page import PageRoute, Shown, rendered
from labwright.service.rights import Resource
from labwright.service.state import Asking, Here, Service

router = APIRouter(include_in_schema=False, route_class=PageRoute)

TEXT_MOST = 200_000
"""Characters of a campaign that is written here."""

FIELDS = ("chosen", "text", "because", "budget", "seed", "planner", "parallel")

CAMPAIGN = Resource("campaign")


@router.get("/campaigns/new")
def new(
    service: Here,
    asker: Asking,
    request: Request,
    name: Annotated[str, Query(max_length=200)] = "",
    like: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """The form; with a campaign of the lab's (`name`), or one that was carried out (`like`), to be changed."""
    service.gate.need(asker, "campaign.submit", CAMPAIGN)
    known = _known(service)
    text = ""
    if len(known) == 1 and not like:
        (name,) = known  # nothing is to be chosen
    if name in known:
        text = known[name]
    elif like:
        with service.records.reading() as journal:
            row_of(service, asker, journal, like)
            text = yaml_of(spec_of(journal, like))
    return _form(service, asker, request, {"chosen": name, "text": text})


@router.post("/campaigns/new")
async def launch(
    service: Here,
    asker: Asking,
    request: Request,
    key: Annotated[str, Form(alias="_key", max_length=100)],
    because: Annotated[str, Form(max_length=10_000)] = "",
    name: Annotated[str, Form(max_length=200)] = "",
    text: Annotated[str, Form(max_length=TEXT_MOST)] = "",
    budget: Annotated[str, Form(max_length=20)] = "",
    seed: Annotated[str, Form(max_length=20)] = "",
    planner: Annotated[str, Form(max_length=200)] = "",
    parallel: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Hand it over; what is wrong with it is shown above what was typed."""
    await service.gate.needs(asker, "campaign.submit", CAMPAIGN)
    typed = {"chosen": name, "text": text, "because": because, "budget": budget, "seed": seed,
             "planner": planner, "parallel": parallel}  # fmt: skip
    body: dict[str, Any] = {"because": because, **({"planner": planner} if planner else {})}
    mistakes: list[str] = []
    for field, value in (("budget", budget), ("seed", seed), ("parallel", parallel)):
        if value and not value.isdecimal():
            mistakes.append(f"{field}: {value!r} is not a whole number")
        elif value:
            body[field] = int(value)
    if text.strip():
        spec, wrong = spec_from(text)
        mistakes += [wrong] if wrong else []
        body["spec"] = spec
    else:
        body["name"] = name
    if not mistakes:
        async with inside(request, asker) as routes:
            answer = await routes.ask("POST", "/v1/campaigns", body, key=key)
        found = answer.json()
        if answer.status_code == 201:
            return RedirectResponse(f"/campaigns/{found['campaign']}", 303)
        if answer.status_code == 202:
            return RedirectResponse("/campaigns", 303)
        mistakes = [found.get("detail", "")]
        mistakes += [f"{one.get('pointer', '')} {one.get('detail', '')}" for one in found.get("errors", ())]
    return await to_thread.run_sync(_form, service, asker, request, {**typed, "mistakes": mistakes}, 422)


@router.get("/campaigns/{campaign}/campaign.yaml")
def as_yaml(service: Here, asker: Asking, campaign: str) -> Response:
    """What a campaign was started with, as the file by which it can be started again."""
    with service.records.reading() as journal:
        row_of(service, asker, journal, campaign)
        text = yaml_of(spec_of(journal, campaign))
    headers = {"Content-Disposition": f'attachment; filename="{campaign}.yaml"'}
    return Response(text, headers=headers, media_type="application/yaml")


def spec_from(text: str) -> tuple[dict[str, Any], str]:
    """A campaign from YAML; and why it is none, with the line, empty if it is one."""
    try:
        found = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
        return {}, f"{where}{error.problem}"
    except YAMLError as error:
        return {}, str(error)[:500]
    if not isinstance(found, dict):
        return {}, "it is no campaign: it has no keys such as name, protocol, space, objective"
    return found, ""


def yaml_of(spec: dict[str, Any]) -> str:
    """A campaign as its file; what is as it is without being said is left out."""
    writer: Any = YAML(typ="safe", pure=True)
    writer.default_flow_style = None  # what has nothing within it stands in one line, as in our files
    writer.sort_base_mapping_type_on_output = False
    writer.width = 1000
    file = io.StringIO()
    checked = CampaignSpec.model_validate(spec)
    said = _typed(checked.model_dump(mode="json"), checked.model_dump(mode="json", exclude_defaults=True))
    first: dict[str, Any] = {name: said.pop(name) for name in ("name", "title", "protocol", "prepare") if name in said}
    writer.dump({**first, **said}, file)
    return file.getvalue()


def _typed(whole: Any, said: Any) -> Any:
    """What is said, and the ``type`` of each part, without which it could not be read."""
    if isinstance(said, dict):
        return {
            name: _typed(whole[name], said.get(name, whole[name])) for name in whole if name in said or name == "type"
        }
    if isinstance(said, list):
        return [_typed(*parts) for parts in zip(whole, said, strict=True)]
    return said


def _known(service: Service) -> dict[str, str]:
    """The lab's campaigns by name, as their files are."""
    root = service.settings.root
    if root is None or not root.is_dir():
        return {}
    return {name: path.read_text("utf-8", errors="replace") for name, path in campaign_files(root).items()}


def _form(service: Service, asker: Asking, request: Request, typed: dict[str, Any], status: int = 200) -> Response:
    words = Words(look_of(request).language)
    empty = {
        "chosen": "",
        "text": "",
        "because": "",
        "budget": "",
        "seed": "",
        "planner": "",
        "parallel": "",
        "mistakes": [],
    }
    data = {**empty, **typed, "known": sorted(_known(service)), "planners": sorted(PLANNERS)}
    return rendered(service, asker, request, Shown(words("launch"), "launch", data), status)
