"""A model read from YAML files, with everything that is wrong in them, not just the first layer of it.

Pydantic looks at names that refer to each other only when every field is well-formed. Here what is well-formed is
looked at all the same, so that a misspelt key in one file does not hide a missing device in another.
"""

from __future__ import annotations

import copy
import difflib
import math
import types
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from labwright.lab.yamlfile import Mistake, MistakesError, Where, YamlFile
from labwright.model.references import Broken, CrossReferenceError, Problem
from labwright.model.words import in_words, wrong_entries

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Reading(Generic[M]):
    """What came of reading files.

    Attributes:
        built: the model; with mistakes, only its well-formed parts.
        broken: what was left out of it.
        mistakes: in all files.
    """

    built: M
    broken: Broken
    mistakes: tuple[Mistake, ...] = ()

    @property
    def whole(self) -> M:
        """The model.

        Raises:
            MistakesError: there are mistakes.
        """
        if self.mistakes:
            raise MistakesError(self.mistakes)
        return self.built


def examine(model: type[M], files: Sequence[YamlFile]) -> Reading[M]:
    """Read `model` from the top-level keys of all `files` together, and find every mistake."""
    data: dict[str, Any] = {}
    owner: dict[str, YamlFile] = {}
    mistakes: list[Mistake] = []
    for file in files:
        for key, value in file.data.items():
            if key in owner:
                mistakes.append(file.mistake([key], f"{key!r} is already in {owner[key].path}", at_key=True))
                continue
            data[key], owner[key] = value, file
    mistakes += [wrong for file in files for wrong in _not_finite(file, file.data, ())]
    try:
        built = model.model_validate(data)
        mistakes += [_mistake(owner, files, where, what) for where, what in _collisions(built, {})]
        return Reading(built, {}, tuple(mistakes))
    except ValidationError as error:
        found = [one for one in error.errors() if not isinstance(_cause(one), CrossReferenceError)]
        nested = [one for one in error.errors() if isinstance(_cause(one), CrossReferenceError) and one["loc"]]
    for one in nested:  # those of the model itself come below, whatever else is broken
        problems = _cause(one).problems
        mistakes += [_mistake(owner, files, (*one["loc"], *where), what) for where, what in problems]
    found = wrong_entries(found)
    misspelt = {
        (*one["loc"][:-1], _nearest(model, one["loc"])) for one in found if one["type"] == "extra_forbidden"
    }  # listed once, as unknown and not as missing as well
    for one in found:
        if one["type"] == "missing" and one["loc"] in misspelt:
            continue
        if one["type"] == "finite_number":
            continue  # listed already, for these and for values pydantic leaves to others
        at_key = one["type"] in ("extra_forbidden", "missing")
        mistakes.append(_mistake(owner, files, one["loc"], _words(model, one), at_key=at_key))
    built, broken = _well_formed(model, _repaired(model, data, found))
    if callable(check := getattr(built, "problems", None)):
        mistakes += [_mistake(owner, files, where, what) for where, what in check(broken)]
    mistakes += [_mistake(owner, files, where, what) for where, what in _collisions(built, broken)]
    return Reading(built, broken, tuple(mistakes))


def validate(model: type[M], files: Sequence[YamlFile]) -> M:
    """Build `model` from the top-level keys of all `files` together.

    Raises:
        MistakesError: every mistake in every file.
    """
    return examine(model, files).whole


def _collisions(built: BaseModel, broken: Broken) -> list[Problem]:
    """Names that a file must not have and a journal of before may."""
    check = getattr(built, "collisions", None)
    return check(broken) if callable(check) else []


def _not_finite(file: YamlFile, value: Any, where: tuple[str | int, ...]) -> Iterator[Mistake]:
    """NaN and infinity anywhere, settings and constants included: no part of a lab has such a size."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _not_finite(file, one, (*where, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _not_finite(file, one, (*where, index))
    elif isinstance(value, float) and not math.isfinite(value):
        path = ".".join(map(str, where))
        yield file.mistake(where, f"{path}: input should be a finite number, not {value}")


def _repaired(model: type[BaseModel], data: dict[str, Any], errors: Sequence[Any]) -> dict[str, Any]:
    """The data without unknown keys; a misspelt one takes its right name, so that the rest can be looked at."""
    data = copy.deepcopy(data)
    for one in errors:
        if one["type"] != "extra_forbidden":
            continue
        node: Any = data
        for step in one["loc"][:-1]:  # a tag of a union is no step of the data
            if (isinstance(node, dict) and step in node) or (isinstance(node, list) and isinstance(step, int)):
                node = node[step]
        key = one["loc"][-1]
        if isinstance(node, dict) and key in node:
            value, near = node.pop(key), _nearest(model, one["loc"])
            if near is not None:
                node.setdefault(near, value)
    return data


def _well_formed(model: type[M], data: Mapping[str, Any]) -> tuple[M, Broken]:
    """The parts of a model that are well-formed, each field by itself and each entry of a mapping by itself."""
    parts: dict[str, Any] = {}
    broken: dict[str, Collection[str] | None] = {}
    for name, field in model.model_fields.items():
        if name not in data:
            if field.is_required():
                broken[name] = None
            continue
        try:
            parts[name] = TypeAdapter(field.rebuild_annotation()).validate_python(data[name])
            continue
        except ValidationError:
            broken[name] = None
        if typing.get_origin(field.annotation) is dict and isinstance(data[name], dict):
            kind = TypeAdapter(typing.get_args(field.annotation)[1])
            parts[name] = dict(_good_entries(kind, data[name]))
            broken[name] = [key for key in data[name] if key not in parts[name]]
    for name in broken:
        is_mapping = typing.get_origin(model.model_fields[name].annotation) is dict
        parts.setdefault(name, {} if is_mapping else None)
    return model.model_construct(None, **parts), broken


def _good_entries(kind: TypeAdapter[Any], entries: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in entries.items():
        try:
            yield key, kind.validate_python(value)
        except ValidationError:
            continue


def _cause(one: Any) -> Any:
    return one.get("ctx", {}).get("error")


def _mistake(
    owner: dict[str, YamlFile], files: Sequence[YamlFile], where: Where, what: str, *, at_key: bool = False
) -> Mistake:
    file = owner.get(str(where[0])) if where else None
    path = ".".join(str(step) for step in where)
    return (file or files[0]).mistake(where, f"{path}: {what}" if path else what, at_key=at_key)


def _words(model: type[BaseModel], one: Any) -> str:
    """Pydantic's message in the words of a lab, with a did-you-mean for an unknown key."""
    if one["type"] == "extra_forbidden":
        known = _known_keys(model, one["loc"][:-1])
        near = _nearest(model, one["loc"])
        hint = f"; did you mean {near!r}?" if near else f" (known here: {', '.join(known)})" if known else ""
        return f"unknown key{hint}"
    return in_words(one)


def _nearest(model: type[BaseModel], where: Where) -> str | None:
    """The known key that an unknown one is nearest to, if any is near."""
    near = difflib.get_close_matches(str(where[-1]), _known_keys(model, where[:-1]), n=1, cutoff=0.5)
    return near[0] if near else None


def _known_keys(model: type[BaseModel], where: Where) -> list[str]:
    """The keys a model knows at a place; empty if the place is not a model."""
    here: Any = model
    for step in where:
        here = _step(here, step)
    found: list[str] = []
    for kind in _models(here):
        found += [field.alias or name for name, field in kind.model_fields.items()]
    return sorted(set(found))


def _step(here: Any, step: str | int) -> Any:
    for kind in _models(here):
        for name, field in kind.model_fields.items():
            if step in (name, field.alias):
                return field.annotation
        if _tag(kind) == step:
            return kind
    for part in _parts(here):
        origin, arguments = typing.get_origin(part), typing.get_args(part)
        if origin is dict:
            return arguments[1]
        if origin in (list, tuple) and isinstance(step, int):
            return arguments[0]
    return here if len(_parts(here)) > 1 else None  # a tag that no member of the union bears itself


def _tag(kind: type[BaseModel]) -> str | None:
    field = kind.model_fields.get("type")
    arguments = typing.get_args(field.annotation) if field else ()
    return arguments[0] if len(arguments) == 1 else None


def _parts(here: Any) -> list[Any]:
    """The members of a union or an Annotated, the thing itself otherwise."""
    origin = typing.get_origin(here)
    if origin is typing.Annotated:
        return _parts(typing.get_args(here)[0])
    if origin in (typing.Union, types.UnionType):
        return [part for one in typing.get_args(here) for part in _parts(one)]
    return [here]


def _models(here: Any) -> list[type[BaseModel]]:
    return [part for part in _parts(here) if isinstance(part, type) and issubclass(part, BaseModel)]
