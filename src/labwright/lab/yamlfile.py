"""YAML files whose mistakes are reported all at once, each with file, line, column and a hint."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from labwright.lab.ranges import RangeError, covers, expanded, ranged
from labwright.model.errors import ConfigError
from labwright.model.numbers import number

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


@dataclass(frozen=True)
class GivenMistake(Mistake):
    """One mistake in data that are no file: its place is a JSON pointer."""

    def __str__(self) -> str:
        place = "" if self.file == Path("/") else f"{self.file}: "
        return f"{place}{self.message}"


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
        yaml = YAML(typ="rt")
        yaml.Constructor = _StrictNumbers
        try:
            tree = yaml.load(text)
        except DuplicateKeyError as error:
            mark = error.problem_mark
            key = re.match(r'found duplicate key "(.*?)"', error.problem)
            words = f"the key {key[1] if key else ''!r} is here a second time"
            raise MistakesError([self._at(mark.line, mark.column, words)]) from error
        except ReaderError as error:
            before = text[: error.position]
            line, column = before.count("\n"), error.position - (before.rfind("\n") + 1)
            raise MistakesError([self._at(line, column, f"no valid YAML: {error.reason}")]) from error
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line, mark.column) if mark else (0, 0)
            raise MistakesError([self._at(line, column, f"no valid YAML: {error.problem}")]) from error
        if yaml.constructor.wrong:
            raise MistakesError(self._at(*one) for one in yaml.constructor.wrong)
        if tree is None:
            tree = CommentedMap()
        if not isinstance(tree, CommentedMap):
            raise MistakesError([self._at(0, 0, "a mapping (key: value) was expected at the top")])
        self._tree = tree
        self.data: dict[str, Any] = _plain(tree)
        wrong: list[Mistake] = []
        self.data = self._counted_out(self.data, (), wrong)
        if wrong:
            raise MistakesError(wrong)

    def mistake(self, where: Where, message: str, *, at_key: bool = False) -> Mistake:
        """A mistake at a place in the data, as near to it as the file goes.

        What begins with a key of many numbers is shown as it is written there, so one mistake is not shown for each.
        """
        written = list(where)
        node: Any = self._tree
        line, column = 0, 0
        for depth, step in enumerate(where):
            if isinstance(node, CommentedMap) and step not in node:
                written[depth] = step = next((key for key in node if covers(key, step)), step)
            if isinstance(node, CommentedMap) and step in node:
                last = depth == len(where) - 1
                line, column = node.lc.key(step) if (at_key and last) else node.lc.value(step)
                node = node[step]
            elif isinstance(node, CommentedSeq) and str(step).isdigit() and int(step) < len(node):
                line, column = node.lc.item(int(step))
                node = node[int(step)]
            else:  # a tag of a union, or a key that is missing here: stay at the parent
                continue
        path = ".".join(map(str, where))
        if written != list(where) and message.startswith(f"{path}:"):
            message = ".".join(map(str, written)) + message[len(path) :]
        return self._at(line, column, message)

    def _counted_out(self, value: Any, where: tuple[str | int, ...], wrong: list[Mistake]) -> Any:
        """Plain data in which each key with a range stands once for each of its numbers."""
        if isinstance(value, list):
            return [self._counted_out(one, (*where, index), wrong) for index, one in enumerate(value)]
        if not isinstance(value, dict):
            return value
        plain: dict[Any, Any] = {}
        for key, one in value.items():
            try:
                parts = list(expanded(key, one)) if ranged(key) else [(key, one)]
            except RangeError as error:
                wrong.append(self.mistake([*where, key], f"{'.'.join(map(str, [*where, key]))}: {error}", at_key=True))
                continue
            for name, its in parts:
                if name in plain:
                    words = f"the key {str(name)!r} is here a second time"
                    wrong.append(self.mistake([*where, key], words, at_key=True))
                plain[name] = self._counted_out(its, (*where, key), wrong)
        return plain

    def _at(self, line: int, column: int, message: str) -> Mistake:
        source = self.lines[line] if line < len(self.lines) else ""
        return Mistake(self.path, line + 1, column + 1, message, source)


class GivenData(YamlFile):
    """Data that came otherwise than in a file, and are held against the same rules.

    A mistake in them names its place as a JSON pointer, in place of a file.

    Args:
        data: as plain JSON.
    """

    def __init__(self, data: dict[str, Any]) -> None:  # no file is read
        self.path = Path("/")
        self.data = data

    def mistake(self, where: Where, message: str, *, at_key: bool = False) -> Mistake:
        """A mistake at a place in the data."""
        parts, node = list[str](), self.data
        for step in where:
            found: Any = None
            if isinstance(node, dict) and step in node:
                found = node[step]
            elif isinstance(node, list) and str(step).isdigit() and int(step) < len(node):
                found = node[int(step)]
            else:  # a tag of a union, or a key that is missing here: stay at the parent
                continue
            parts.append(str(step).replace("~", "~0").replace("/", "~1"))
            node = found
        return GivenMistake(Path("/".join(["", *parts])), 1, 1, message)


class _StrictNumbers(RoundTripConstructor):
    """Reads numbers as `labwright.model.numbers` does; YAML's own take ``1_000``, ``0x10`` and ``1e400``."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.wrong: list[tuple[int, int, str]] = []
        """Line, column and message of what is no such number."""

    def construct_yaml_int(self, node: Any) -> Any:
        """A whole number."""
        self._check(node)
        return super().construct_yaml_int(node)

    def construct_yaml_float(self, node: Any) -> Any:
        """Any other number."""
        self._check(node)
        return super().construct_yaml_float(node)

    def construct_time(self, node: Any, values: Any = None) -> Any:
        """A day, or the text of a time: YAML's own takes it to UTC and forgets in which zone it was written."""
        return self.construct_yaml_timestamp(node) if len(node.value) == len("2026-11-01") else node.value

    def _check(self, node: Any) -> None:
        if node.value.lstrip("+-").lower() in (".nan", ".inf"):
            return  # the models refuse these, and say of what
        try:
            number(node.value)
        except ConfigError as error:
            self.wrong.append((node.start_mark.line, node.start_mark.column, str(error)))


_StrictNumbers.add_constructor("tag:yaml.org,2002:timestamp", _StrictNumbers.construct_time)
_StrictNumbers.add_constructor("tag:yaml.org,2002:int", _StrictNumbers.construct_yaml_int)
_StrictNumbers.add_constructor("tag:yaml.org,2002:float", _StrictNumbers.construct_yaml_float)


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
