"""What is typed into the form of a request, as the request that it asks for; and back, for editing.

What is no number stays as it was typed: the route that takes the request says what is wrong with it, and where.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Kind = Literal["one", "list", "campaign"]

KINDS: tuple[Kind, ...] = get_args(Kind)

ROWS_MOST = 30
"""Experiments that have fields of their own; more are a table in one field."""

SAMPLES_MOST = 200

NUMBERS = ("number", "integer", "ordinal")
"""Kinds of parameters that are numbers."""

SAMPLE_TEXTS = ("label", "composition", "cas", "amount", "hazards", "reference", "sha256")
"""Fields of a sample that are typed; one with nothing in any of them is none."""

Offer = Mapping[str, Any]
"""A protocol as the lab offers it."""


class Typed:
    """Fields of a form.

    Args:
        fields: names and values; a name may come again.
    """

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields: dict[str, list[str]] = {}
        for name, value in fields:
            self._fields.setdefault(name, []).append(value)

    def one(self, name: str, default: str = "") -> str:
        """The value of a field; the last, if there are several."""
        return self._fields.get(name, [default])[-1]

    def many(self, name: str) -> list[str]:
        """All values of a field."""
        return self._fields.get(name, [])

    def whole(self, name: str, most: int) -> int:
        """A count that a field has, up to so many; 0 if it has none."""
        text = self.one(name)
        return min(int(text), most) if text.isdecimal() and len(text) < 9 else 0

    def put(self, name: str, *values: str) -> None:
        """Have a field say something else."""
        self._fields[name] = list(values)

    def drop(self, name: str) -> None:
        """Have a field no more."""
        self._fields.pop(name, None)

    def beginning(self, *starts: str) -> list[tuple[str, str]]:
        """Fields whose names begin so, with their values."""
        return [(name, value) for name, values in self._fields.items() if name.startswith(starts) for value in values]


@dataclass
class Written:
    """A request as a form asks for it.

    Attributes:
        content: JSON.
        places: by JSON pointer, the field that it comes from.
        mistakes: of what is no request yet, by field.
    """

    content: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    mistakes: dict[str, list[str]] = field(default_factory=dict)

    def put(self, pointer: str, value: Any, name: str) -> None:
        """Put a value into an object of the content.

        Args:
            pointer: to its place.
            value: that is there.
            name: of the field that it comes from.
        """
        *above, last = pointer.split("/")[1:]
        within = self.content
        for part in above:
            within = within.setdefault(part, {})
        within[last] = value
        self.places[pointer] = name

    def field_of(self, pointer: str) -> str:
        """The field that a JSON pointer leads to, or one around it; empty if none does."""
        while pointer:
            if pointer in self.places:
                return self.places[pointer]
            pointer = pointer.rpartition("/")[0]
        return ""

    def wrong(self, name: str, words: str) -> None:
        """Say what is wrong with a field."""
        self.mistakes.setdefault(name, []).append(words)


def written(typed: Typed, offer: Offer) -> Written:
    """The request that a form asks for.

    Args:
        typed: its fields.
        offer: the protocol.
    """
    found = Written()
    for name in ("project", "title", "contact"):
        found.put(f"/{name}", typed.one(name).strip(), name)
    found.put("/protocol", {"name": offer["name"], "version": offer["version"]}, "protocol")
    kind = kind_of(typed)
    if kind == "one":
        found.content["parameters"] = {}
        for one in offer["parameters"]:
            _given(found, f"/parameters/{one['name']}", one, typed.one(f"p.{one['name']}"), f"p.{one['name']}")
    elif kind == "list":
        _runs(found, typed, offer)
    else:
        _campaign(found, typed, offer)
    _samples(found, typed)
    for name in ("priority", "data_class", "notes"):
        if text := typed.one(name).replace("\r\n", "\n"):
            found.put(f"/{name}", text, name)
    if text := typed.one("cost_most").strip():
        found.put("/cost_most", number(text), "cost_most")
    for name in ("status", "regime", "item"):
        if text := typed.one(f"export.{name}").strip():
            found.put(f"/export_control/{name}", text, f"export.{name}")
    found.places["/export_control"] = "export.status"
    found.put("/terms", typed.one("terms"), "terms")
    return found


def kind_of(typed: Typed) -> Kind:
    """What kind of request a form asks for."""
    return next((one for one in KINDS if one == typed.one("kind")), "one")


def number(text: str) -> Any:
    """A number; the text, if it is none."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else text


def spelled_out(value: Any) -> str:
    """A value as it is typed."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def paste(typed: Typed, offer: Offer) -> Written:
    """Take a pasted table over into fields of its experiments, if they are few enough; else it stays as it is.

    Args:
        typed: fields of the form; they change.
        offer: the protocol.

    Returns:
        what is wrong with the table.
    """
    found = Written()
    rows = _table(found, typed.one("csv"), offer)
    count = filled_rows(typed, offer)
    if rows and not found.mistakes and len(count) + len(rows) <= ROWS_MOST:
        kept = [{one["name"]: typed.one(f"r.{at}.{one['name']}") for one in offer["parameters"]} for at in count]
        for at, row in enumerate([*kept, *rows]):
            for one in offer["parameters"]:
                typed.put(f"r.{at}.{one['name']}", row.get(one["name"], ""))
        typed.put("rows", str(len(kept) + len(rows)))
        typed.drop("csv")
    return found


def filled_rows(typed: Typed, offer: Offer) -> list[int]:
    """Rows of a list in which something was typed."""
    count = typed.whole("rows", ROWS_MOST)
    return [at for at in range(count) if any(typed.one(f"r.{at}.{one['name']}") for one in offer["parameters"])]


def _given(found: Written, pointer: str, one: Mapping[str, Any], text: str, name: str) -> None:
    """A value of a parameter; what was left empty is left out, and said to be missing by the lab."""
    found.places[pointer] = name
    if text.strip():
        found.put(pointer, value_of(one, text.strip()), name)


def value_of(one: Mapping[str, Any], text: str) -> Any:
    """A value of a parameter, as a request gives it."""
    if one["type"] in NUMBERS:
        value = number(text)
        return value if one.get("unit", "1") == "1" else {"value": value, "unit": one["unit"]}
    if one["type"] == "flag":
        return text == "true" if text in ("true", "false") else text
    return text


def _runs(found: Written, typed: Typed, offer: Offer) -> None:
    runs: list[dict[str, Any]] = []
    found.content["runs"] = runs
    found.places["/runs"] = "csv"
    for at in filled_rows(typed, offer):
        row = Written()
        for one in offer["parameters"]:
            _given(row, f"/{one['name']}", one, typed.one(f"r.{at}.{one['name']}"), f"r.{at}")
        found.places[f"/runs/{len(runs)}"] = f"r.{at}"
        runs.append(row.content)
    for row_typed in _table(found, typed.one("csv"), offer):
        row = Written()
        for one in offer["parameters"]:
            _given(row, f"/{one['name']}", one, row_typed.get(one["name"], ""), "csv")
        runs.append(row.content)


def _table(found: Written, text: str, offer: Offer) -> list[dict[str, str]]:
    """Rows of a table as a spreadsheet copies it, or of a CSV file: the first line names parameters."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return []
    marks = sorted("\t;,", key=lambda mark: -lines[0].count(mark))
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=marks[0])]
    known = [one["name"] for one in offer["parameters"]]
    heads = [head.split("/")[0].split("(")[0].strip() for head in rows[0]]
    if wrong := [head for head in heads if head not in known]:
        words = (
            f"line 1 names {', '.join(map(repr, wrong))}; parameters are {', '.join(known)}: name one in each column"
        )
        found.wrong("csv", words)
        return []
    for at, row in enumerate(rows[1:], 2):
        if len(row) != len(heads):
            found.wrong("csv", f"line {at} has {len(row)} values, and line 1 names {len(heads)} parameters")
            return []
    return [dict(zip(heads, row, strict=True)) for row in rows[1:]]


def _campaign(found: Written, typed: Typed, offer: Offer) -> None:
    campaign = "/campaign"
    more = _more(found, typed)
    parameters: list[dict[str, Any]] = []
    found.content["campaign"] = {"space": {"parameters": parameters}, "objective": {}}
    found.places |= {campaign: "c", "/campaign/objective": "objective.name", "/campaign/budget": "budget"}
    told = {str(one.get("name")) for one in more.get("space", {}).get("parameters", ()) if isinstance(one, dict)}
    for one in offer["parameters"]:
        name = f"c.{one['name']}"
        if one["name"] in told:
            continue
        if one["type"] == "text" or typed.one(f"{name}.mode", "search") == "fixed":
            _given(found, f"{campaign}/fixed/{one['name']}", one, typed.one(f"{name}.fixed"), name)
            continue
        found.places[f"{campaign}/space/parameters/{len(parameters)}"] = name
        parameters.append(_span(one, typed, name))
    result: Mapping[str, Any] = next(
        (one for one in offer["results"] if one["name"] == typed.one("objective.name")), {}
    )
    for key in ("name", "goal", "target", "low", "high"):
        text = typed.one(f"objective.{key}").strip()
        if text and not (key in ("target", "low", "high") and key not in _ends(typed.one("objective.goal"))):
            value = text if key in ("name", "goal") else number(text)
            found.put(f"{campaign}/objective/{key}", value, f"objective.{key}")
    found.put(f"{campaign}/objective/unit", result.get("unit", "1"), "objective.name")
    found.put(f"{campaign}/budget", number(typed.one("budget")), "budget")
    if text := typed.one("replicates").strip():
        found.put(f"{campaign}/replicates", number(text), "replicates")
    space = more.pop("space", {})
    parameters += space.pop("parameters", ())
    found.content["campaign"]["space"] |= space
    found.places |= {f"{campaign}/{key}": "more" for key in more} | {"/campaign/space/constraints": "more"}
    options = more.pop("planner_options", {})
    planner = typed.one("planner", "gp").strip() or "gp"
    found.put(f"{campaign}/planner", {"name": planner, "options": options}, "planner")
    found.content["campaign"] |= more


def _ends(goal: str) -> tuple[str, ...]:
    """Numbers that a goal takes."""
    return {"target": ("target",), "range": ("low", "high")}.get(goal, ())


def _more(found: Written, typed: Typed) -> dict[str, Any]:
    """What of a campaign has no field of its own, as JSON."""
    text = typed.one("more").strip()
    if not text:
        return {}
    try:
        more = json.loads(text)
    except ValueError as error:
        found.wrong("more", f"it is no JSON: {error}")
        return {}
    if not isinstance(more, dict) or not isinstance(more.get("space", {}), dict):
        found.wrong("more", 'it is no JSON object, such as {"outcome_limits": []}')
        return {}
    return more


def _span(one: Mapping[str, Any], typed: Typed, name: str) -> dict[str, Any]:
    """A parameter as the space of a campaign has it."""
    kind = one["type"]
    if kind == "flag":
        return {"name": one["name"], "type": "flag"}
    if kind == "choice":
        return {"name": one["name"], "type": "categorical", "levels": typed.many(f"{name}.levels")}
    if kind == "ordinal":
        values = [number(text) for text in typed.many(f"{name}.values")]
        return {"name": one["name"], "type": "ordinal", "unit": one["unit"], "values": values}
    found = {"name": one["name"], "type": "integer" if kind == "integer" else "real", "unit": one["unit"]}
    found |= {end: number(typed.one(f"{name}.{end}").strip()) for end in ("low", "high")}
    if kind == "number":
        if step := typed.one(f"{name}.step").strip():
            found["step"] = number(step)
        if typed.one(f"{name}.log") == "true":
            found["log"] = True
    return found


def _samples(found: Written, typed: Typed) -> None:
    samples: list[dict[str, Any]] = []
    for at in range(typed.whole("samples", SAMPLES_MOST)):
        name = f"s.{at}"
        if not any(typed.one(f"{name}.{key}").strip() for key in SAMPLE_TEXTS):
            continue
        samples.append(_sample(typed, name))
        place = f"/samples/{len(samples) - 1}"
        found.places |= {f"{place}/{key}": f"{name}.{key}" for key in (*samples[-1], "form", "disposition", "groups")}
        found.places |= {place: name, f"{place}/sheet/reference": f"{name}.reference"}
        found.places |= {f"{place}/sheet": f"{name}.sha256", f"{place}/amount/unit": f"{name}.unit"}
    if samples:
        found.content["samples"] = samples


def _sample(typed: Typed, name: str) -> dict[str, Any]:
    texts = {key: typed.one(f"{name}.{key}").strip() for key in ("label", "composition", "form", "disposition")}
    sample: dict[str, Any] = {key: text for key, text in texts.items() if text or key in ("label", "composition")}
    sample["amount"] = {"value": number(typed.one(f"{name}.amount").strip()), "unit": typed.one(f"{name}.unit", "mL")}
    sample["cas"] = typed.one(f"{name}.cas").replace(",", " ").split()
    sample["hazards"] = typed.one(f"{name}.hazards").replace(",", " ").split()
    sample["groups"] = typed.many(f"{name}.groups")
    sheet = {key: typed.one(f"{name}.{key}").strip() for key in ("reference", "sha256")}
    if any(sheet.values()):
        sample["sheet"] = sheet
    return sample


def typed_of(content: Mapping[str, Any], offer: Offer) -> Typed:
    """A request as its form has it: what `written` turns into the same request.

    Args:
        content: of the request.
        offer: the protocol.
    """
    fields: list[tuple[str, str]] = [("protocol", str(offer["name"]))]
    for name in ("project", "title", "contact", "priority", "data_class", "notes", "terms", "cost_most"):
        if name in content:
            fields.append((name, spelled_out(content[name])))
    fields += [(f"export.{name}", str(value)) for name, value in content["export_control"].items()]
    if "parameters" in content:
        fields.append(("kind", "one"))
        fields += [(f"p.{name}", _text(given)) for name, given in content["parameters"].items()]
    elif "runs" in content:
        fields.append(("kind", "list"))
        fields += _typed_runs(content["runs"], offer)
    else:
        fields.append(("kind", "campaign"))
        fields += _typed_campaign(content["campaign"], offer)
    for at, sample in enumerate(content["samples"]):
        fields += _typed_sample(sample, f"s.{at}")
    fields.append(("samples", str(len(content["samples"]))))
    return Typed(fields)


def _text(given: Any) -> str:
    return spelled_out(given["value"] if isinstance(given, Mapping) else given)


def _typed_runs(runs: Sequence[Mapping[str, Any]], offer: Offer) -> list[tuple[str, str]]:
    if len(runs) <= ROWS_MOST:
        cells = [(f"r.{at}.{name}", _text(given)) for at, run in enumerate(runs) for name, given in run.items()]
        return [*cells, ("rows", str(len(runs)))]
    names = [one["name"] for one in offer["parameters"]]
    lines = ["\t".join(names)]
    lines += ["\t".join(_text(run[name]) if name in run else "" for name in names) for run in runs]
    return [("csv", "\n".join(lines)), ("rows", "0")]


def _typed_campaign(campaign: Mapping[str, Any], offer: Offer) -> list[tuple[str, str]]:
    fields = [(f"objective.{key}", spelled_out(value)) for key, value in campaign["objective"].items()]
    fields += [("budget", str(campaign["budget"])), ("replicates", str(campaign.get("replicates", 1)))]
    planner = campaign.get("planner", {"name": "gp"})
    fields.append(("planner", planner["name"]))
    for name, given in campaign.get("fixed", {}).items():
        fields += [(f"c.{name}.mode", "fixed"), (f"c.{name}.fixed", _text(given))]
    more = {key: campaign[key] for key in ("more_objectives", "outcome_limits", "stop") if campaign.get(key)}
    more |= {"planner_options": planner["options"]} if planner.get("options") else {}
    space = {key: value for key, value in campaign["space"].items() if key != "parameters"}
    known = {one["name"]: one for one in offer["parameters"]}
    others = []
    for one in campaign["space"].get("parameters", ()):
        span = _typed_span(one, known.get(str(one.get("name")), {}))
        fields += span or []
        others += [] if span else [one]
    space |= {"parameters": others} if others else {}
    more |= {"space": space} if space else {}
    return [*fields, *([("more", json.dumps(more, indent=1, ensure_ascii=False))] if more else [])]


def _typed_span(one: Mapping[str, Any], declared: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Fields of a parameter that is searched; none if it has what the form has no field for."""
    wanted = {"number": "real", "integer": "integer", "ordinal": "ordinal", "choice": "categorical", "flag": "flag"}
    kind = wanted.get(declared.get("type", ""), "")
    name = f"c.{one.get('name')}"
    given = {key: value for key, value in one.items() if key not in ("name", "type", "unit") and value is not None}
    if one.get("type") != kind or one.get("unit", "1") != declared.get("unit", "1"):
        return []
    if not set(given) <= {"low", "high", "step", "log", "values", "levels"}:
        return []
    fields = [(f"{name}.mode", "search")]
    for key, value in given.items():
        values = value if isinstance(value, list) else [value]
        fields += [(f"{name}.{key}", spelled_out(each)) for each in values]
    return fields


def _typed_sample(sample: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    fields = [(f"{name}.{key}", str(sample[key])) for key in ("label", "composition", "form", "disposition")]
    fields += [(f"{name}.amount", spelled_out(sample["amount"]["value"])), (f"{name}.unit", sample["amount"]["unit"])]
    fields += [(f"{name}.{key}", " ".join(sample.get(key, ()))) for key in ("cas", "hazards")]
    fields += [(f"{name}.groups", group) for group in sample.get("groups", ())]
    fields += [(f"{name}.{key}", value) for key, value in sample.get("sheet", {}).items()]
    return fields
