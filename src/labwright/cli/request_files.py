"""`labwright request new|validate|submit`: a request as a file, whose mistakes are shown with their lines."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from labwright.answers.offers import Offer
from labwright.cli.output import console, emit
from labwright.cli.requesting import asked_back, facts, print_quote, say
from labwright.cli.sites import Site, at
from labwright.cli.words import quoted
from labwright.client import Capabilities, Client, Finding, InvalidError, KeptRequest, Look
from labwright.lab import MistakesError, YamlFile
from labwright.lab.yamlfile import Mistake
from labwright.model.errors import ConfigError, RefusedError, unknown

EDITABLE = ("draft", "needs_information")
"""States that a request leaves by being submitted."""

LOOKED_AT_S = 60.0
"""Wall seconds in which the lab has looked at what was edited."""


def new_file(site: Site, protocol: str, file: Path, *, json: bool) -> None:
    """Write a file to be edited, from what the lab offers.

    Raises:
        ConfigError: the lab offers no such protocol, or the file is there.
    """
    offered, projects = at(site, lambda client: (client.requests.capabilities(), [*client.me().projects]))
    found = next((one for one in offered.protocols if one.name == protocol), None)
    if found is None:
        raise ConfigError(unknown("protocol that is offered", protocol, [one.name for one in offered.protocols]))
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(template(found, offered, projects[0] if len(projects) == 1 else ""))
    except FileExistsError:
        raise ConfigError(f"{file} is there already, and is left as it is; name another file") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}") from error
    if json:
        emit({"file": str(file), "protocol": protocol, "version": found.version})
        return
    console.print(f"{quoted(file)} asks for {protocol}. Fill it in; then")
    console.print(f"  labwright request validate {quoted(file)} {site.option}")
    console.print(f"  labwright request submit {quoted(file)} {site.option}")


def validate_file(site: Site, path: Path, *, json: bool) -> None:
    """Look whether a file can be carried out.

    Raises:
        MistakesError: there are mistakes in it; all of them, with their lines.
    """
    file = read(path)
    look = at(site, lambda client: _looked(client, file))
    if json:
        emit(look.model_dump(mode="json"))
        return
    if look.quote is not None:
        print_quote(look.quote)
    safety = f" and {look.needs.safety} for safety" if look.needs.safety else ""
    console.print(f"Nothing is wrong with {quoted(path)}; it takes {look.needs.technical} technical review{safety}.")
    console.print(f"Next: labwright request submit {quoted(path)} {site.option}")


def submit_file(site: Site, path: Path, request: str, note: str, *, again: bool, json: bool) -> None:
    """Hand a file in: as a new request, or in the place of what one says.

    Raises:
        MistakesError: there are mistakes in it; all of them, with their lines.
        RefusedError: it was handed in before, and has become something else.
        ConfigError: there is no such request.
    """
    if request and again:
        raise ConfigError("--request edits a request, and --again makes another one: give one of both")
    file = read(path)

    def there(client: Client) -> KeptRequest:
        _looked(client, file)
        kept = _edited(client, request, file) if request else _created(client, file, again)
        if kept.state == "needs_information" and not request:
            raise RefusedError(
                f"this file was handed in before, as {kept.id}, which was returned. {asked_back(kept)}Answer with "
                f"--note, and name it with --request {kept.id}"
            )
        if kept.state in EDITABLE:
            with _Lines(file):
                return client.requests.submit(kept.id, note)
        if kept.state == "submitted":  # after an edit; the lab looks at it by itself
            return client.requests.wait(kept.id, ("validated", "needs_information"), deadline_s=LOOKED_AT_S)
        return kept

    shown = at(site, there)
    if json:
        emit(facts(shown))
        return
    if shown.quote is not None:
        print_quote(shown.quote)
    say(shown, site, json=False)


def _created(client: Client, file: YamlFile, again: bool) -> KeptRequest:
    """The request that a file has become, now or when it was handed in before."""
    from labwright.service.desk.states import ENDED

    sent = orjson.dumps(file.data, option=orjson.OPT_SORT_KEYS)  # in whatever order they stand
    key = str(uuid.uuid4()) if again else f"file-{hashlib.sha256(sent).hexdigest()}"
    first = client.requests.create(orjson.loads(sent), key=key)
    kept = client.requests.get(first.id)
    if kept.digest != first.digest:
        raise RefusedError(
            f"this file was handed in before, as {kept.id}, which says something else now ({kept.state}). Put the file "
            f"in its place with --request {kept.id}, or ask for it once more with --again"
        )
    if kept.state in ENDED:
        raise RefusedError(
            f"this file was handed in before, as {kept.id}, which is {kept.state}. Ask for the same with --again"
        )
    return kept


def _edited(client: Client, request: str, file: YamlFile) -> KeptRequest:
    """A request that says what a file says."""
    from pydantic import ValidationError

    from labwright.service.desk.content import Content, digest_of

    kept = client.requests.get(request)
    try:
        mine = digest_of(Content.model_validate_json(orjson.dumps(file.data)).dumped())
    except ValidationError:  # a newer service reads more than this one
        mine = ""
    if kept.digest == mine:
        return kept  # what an interrupted run has done
    with _Lines(file):
        return client.requests.edit(kept, file.data)


def read(path: Path) -> YamlFile:
    """A file as plain data.

    Raises:
        MistakesError: it cannot be read, or has what is no JSON.
    """
    file = YamlFile(path)
    if wrong := [*_no_json(file, file.data, ())]:
        raise MistakesError(wrong)
    return file


def _no_json(file: YamlFile, value: Any, where: tuple[str | int, ...]) -> Iterator[Mistake]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            if not isinstance(key, str):
                yield file.mistake([*where, key], f"the key {key} is no text; write it in quotes", at_key=True)
            yield from _no_json(file, one, (*where, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _no_json(file, one, (*where, index))
    elif value != value or value in (float("inf"), float("-inf")):
        yield file.mistake(where, f"{'.'.join(map(str, where))}: {value} is no number")
    elif not isinstance(value, str | int | float | bool | None):
        yield file.mistake(where, f"{'.'.join(map(str, where))}: {value} is read as a date; write it in quotes")


def _looked(client: Client, file: YamlFile) -> Look:
    """What the lab finds of a file.

    Raises:
        MistakesError: something is wrong with it.
    """
    with _Lines(file):
        look = client.requests.validate(file.data)
    if not look.valid:
        raise MistakesError(_placed(file, look.problems))
    return look


class _Lines:
    """Within it, what a service finds wrong with a file is shown with its lines."""

    def __init__(self, file: YamlFile) -> None:
        self._file = file

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, InvalidError) and any("pointer" in one for one in error.errors):
            raise MistakesError(_placed(self._file, map(Finding.model_validate, error.errors))) from error


def _placed(file: YamlFile, problems: Iterable[Finding]) -> Iterator[Mistake]:
    for one in problems:
        where = [part.replace("~1", "/").replace("~0", "~") for part in one.pointer.split("/")[1:]]
        words = f"{'.'.join(where)}: {one.detail}" if where else one.detail
        yield file.mistake(where, words, at_key=one.code in ("extra_forbidden", "unknown_parameter"))


def template(offer: Offer, offered: Capabilities, project: str) -> str:
    """A request to be filled in; as it is, it is refused with what is missing."""
    name = offer.name
    title = f" ({offer.title})" if offer.title else ""
    where = offered.title or offered.lab
    head = [f"# A request for {name}{title} at {where}; an experiment takes about {offer.minutes:.3g} min."]
    head += [f"# {line}" for line in offer.summary.splitlines()]
    finds = [f"{one['name']} / {one['unit']}" if one.get("unit") else one["name"] for one in offer.results]
    head += [f"# It finds: {', '.join(finds)}.", ""]
    lines = [
        *_line("project", _text(project), "whose it is, and which is charged"),
        *_line("title", '""', "what it is about, on one line"),
        f"protocol: {{name: {name}, version: {_text(offer.version)}}}",
        "",
        f"# An item for each experiment, {offered.experiments} at most; numbers have their units.",
        "runs:",
        *_experiment(offer.parameters),
        "",
        "# What you send. For each sample:",
        "# - label: S-1                         # on its container; plain letters",
        "#   composition: ethanol",
        "#   cas: [64-17-5]                     # needed where there is a hazard",
        "#   amount: {value: 5, unit: mL}       # mL, uL, mg, g or pieces",
        "#   form: liquid                       # solid, powder, liquid, solution, film or device",
        "#   hazards: [H225]                    # hazard statements of GHS; [] if there are none",
        "#   groups: [flammable_organic]        # reactivity groups; needed where there is a hazard",
        '#   sheet: {reference: "SDS 4711", sha256: "..."}   # safety data sheet; needed where there is a hazard',
        "#   disposition: return                # return, store or destroy, afterwards",
        "samples: []",
        "",
        *_line(
            "export_control",
            "{status: unreviewed}",
            "or not_controlled, or controlled with regime and item",
        ),
        *_line("data_class", "closed", "closed, shared_closed or open: who may see what is found"),
        *_line("priority", "routine", "routine, soon or urgent"),
        *_line("# cost_most", "10000", f"refused if it costs more {offered.currency}".rstrip()),
        *_line("terms", '""', f"write {_text(offered.terms)} once you have read and accept the lab's terms"),
        *_line("contact", '""', "who answers questions about it"),
        *_line("notes", '""', "for people"),
    ]
    return "\n".join([*head, *lines, ""])


def _line(key: str, value: str, comment: str) -> list[str]:
    entry = f"{key}: {value}"
    return [f"{entry:<34} # {comment}"]


def _experiment(parameters: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for index, one in enumerate(parameters):
        unit = one.get("unit")
        value = f"{{value: null, unit: {_text(unit)}}}" if unit is not None else '""'
        said = ": ".join(filter(None, (one.get("description", ""), one.get("allowed", ""))))
        entry = f"{one['name']}: {value}"
        lines.append(f"{'  - ' if index == 0 else '    '}{entry:<44} # {said}")
    return lines


def _text(text: str) -> str:
    """As YAML has it, and JSON too."""
    return orjson.dumps(text).decode()
