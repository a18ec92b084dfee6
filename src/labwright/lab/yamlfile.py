"""YAML files whose mistakes are reported all at once, each with file, line, column and a hint."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError

from labwright.model.errors import ConfigError
from labwright.model.lab import CrossReferenceError

M = TypeVar("M", bound=BaseModel)

Where = Sequence[str | int]


@dataclass(frozen=True)
class Mistake:
    """One mistake in a file; line and column count from 1."""

    file: Path
    line: int
    column: int
    message: str
    source: str = ""

    def __str__(self) -> str:
        head = f"{self.file}:{self.line}:{self.column}: {self.message}"
        return f"{head}\n    {self.source}\n    {' ' * (self.column - 1)}^" if self.source else head


class MistakesError(ConfigError):
    """All mistakes found in a lab's files."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = sorted(set(mistakes), key=lambda one: (str(one.file), one.line, one.column, one.message))
        count = len(self.mistakes)
        head = f"{count} mistake{'s' if count != 1 else ''} found; nothing was started"
        super().__init__("\n".join([head, *map(str, self.mistakes)]))


class YamlFile:
    """A file as plain data, which remembers where each value stood.

    Args:
        path: the file.
        shown: the name to show in messages, if another (relative to the lab, say).

    Raises:
        MistakesError: it cannot be read, or it is no YAML mapping.
    """

    def __init__(self, path: Path, shown: Path | None = None) -> None:
        self.path = path if shown is None else shown
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MistakesError([Mistake(self.path, 1, 1, f"cannot be read: {error}")]) from error
        self.lines = text.splitlines()
        try:
            tree = YAML(typ="rt").load(text)
        except DuplicateKeyError as error:
            mark = error.problem_mark
            key = re.match(r'found duplicate key "(.*?)"', error.problem)
            words = f"the key {key[1] if key else ''!r} stands here a second time"
            raise MistakesError([self._at(mark.line, mark.column, words)]) from error
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line, mark.column) if mark else (0, 0)
            raise MistakesError([self._at(line, column, f"no valid YAML: {error.problem}")]) from error
        if tree is None:
            tree = CommentedMap()
        if not isinstance(tree, CommentedMap):
            raise MistakesError([self._at(0, 0, "a mapping (key: value) was expected at the top")])
        self._tree = tree
        self.data: dict[str, Any] = _plain(tree)

    def mistake(self, where: Where, message: str, *, at_key: bool = False) -> Mistake:
        """A mistake at a place in the data, as near to it as the file goes."""
        node: Any = self._tree
        line, column = 0, 0
        for depth, step in enumerate(where):
            if isinstance(node, CommentedMap) and step in node:
                last = depth == len(where) - 1
                line, column = node.lc.key(step) if (at_key and last) else node.lc.value(step)
                node = node[step]
            elif isinstance(node, CommentedSeq) and str(step).isdigit() and int(step) < len(node):
                line, column = node.lc.item(int(step))
                node = node[int(step)]
            else:  # a tag of a union, or a key that is missing here: stay at the parent
                continue
        return self._at(line, column, message)

    def _at(self, line: int, column: int, message: str) -> Mistake:
        source = self.lines[line] if line < len(self.lines) else ""
        return Mistake(self.path, line + 1, column + 1, message, source)


def validate(model: type[M], files: Sequence[YamlFile]) -> M:
    """Build `model` from the top-level keys of all `files` together.

    Raises:
        MistakesError: every mistake in every file.
    """
    data: dict[str, Any] = {}
    owner: dict[str, YamlFile] = {}
    mistakes: list[Mistake] = []
    for file in files:
        for key, value in file.data.items():
            if key in owner:
                mistakes.append(file.mistake([key], f"{key!r} already stands in {owner[key].path}", at_key=True))
                continue
            data[key], owner[key] = value, file
    try:
        built = model.model_validate(data)
    except ValidationError as error:
        for one in error.errors():
            cross = one.get("ctx", {}).get("error")
            if isinstance(cross, CrossReferenceError):
                mistakes += [_mistake(owner, files, where, what) for where, what in cross.problems]
                continue
            where = one["loc"]
            at_key = one["type"] in ("extra_forbidden", "missing")
            mistakes.append(_mistake(owner, files, where, _words(model, one), at_key=at_key))
        raise MistakesError(mistakes) from error
    if mistakes:
        raise MistakesError(mistakes)
    return built


def _mistake(
    owner: dict[str, YamlFile], files: Sequence[YamlFile], where: Where, what: str, *, at_key: bool = False
) -> Mistake:
    file = owner.get(str(where[0])) if where else None
    path = ".".join(str(step) for step in where)
    return (file or files[0]).mistake(where, f"{path}: {what}" if path else what, at_key=at_key)


def _words(model: type[BaseModel], one: Any) -> str:
    """Pydantic's message in the words of a lab, with a did-you-mean for an unknown key."""
    kind, given = one["type"], one.get("input")
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        known = _known_keys(model, one["loc"][:-1])
        near = difflib.get_close_matches(str(one["loc"][-1]), known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near else f" (known here: {', '.join(known)})" if known else ""
        return f"unknown key{hint}"
    message = one["msg"].removeprefix("Value error, ")
    shown = repr(given)
    return f"{message[0].lower()}{message[1:]}, not {shown}" if len(shown) < 60 and kind != "value_error" else message


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
        if any(_tag(kind) == step for _ in (0,)):
            return kind
    for part in _parts(here):
        origin, arguments = typing.get_origin(part), typing.get_args(part)
        if origin is dict:
            return arguments[1]
        if origin in (list, tuple):
            return arguments[0]
    return None


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


def _plain(node: Any) -> Any:
    if isinstance(node, CommentedMap):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, CommentedSeq):
        return [_plain(value) for value in node]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):  # ruamel's own scalars are subclasses
        if isinstance(node, kind):
            return kind(node)
    return node
