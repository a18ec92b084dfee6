"""Names by their numbers: ``rack_[1-30]`` is rack_1 to rack_30, each with its own number in what is said of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

RANGE = re.compile(r"\[(\d+)-(\d+)\]")
KEY = re.compile(r"(?:[A-Za-z]\w*)?\[\d+-\d+\]\w*")
"""A key that stands for several: a name with a range of numbers, or such a range alone."""

MOST = 2000
"""Numbers in one range; a lab with more positions of one name was mistyped."""


class RangeError(ValueError):
    """A range that counts nothing, too much, or not as much as the key it belongs to."""


def ranged(key: Any) -> bool:
    """Whether a key of a mapping stands for several."""
    return isinstance(key, str) and KEY.fullmatch(key) is not None


def numbers(text: str) -> list[str]:
    """The numbers of the range in `text`, as they are written: ``[01-12]`` keeps its zeros.

    Raises:
        RangeError: it goes down, or is too long.
    """
    found = RANGE.search(text)
    if found is None:
        raise RangeError(f"{text!r} has no range")
    first, last = int(found[1]), int(found[2])
    if last < first:
        raise RangeError(f"the range {found[0]} goes down; write the lower number first")
    if last - first >= MOST:
        raise RangeError(f"the range {found[0]} has more than {MOST} numbers")
    width = len(found[1]) if found[1].startswith("0") else 0
    return [str(number).zfill(width) for number in range(first, last + 1)]


def expanded(key: str, value: Any) -> Iterator[tuple[str | int, Any]]:
    """Each key that a ranged one stands for, with its own value.

    Raises:
        RangeError: a range is none, or has another length than the key's.
    """
    count = len(numbers(key))
    for index in range(count):
        yield _taken(key, index, count), _taken(value, index, count)


def covers(key: Any, step: Any) -> bool:
    """Whether a ranged key stands for the key `step`, among others."""
    if not ranged(key):
        return False
    found = RANGE.search(key)
    assert found is not None  # noqa: S101 - it is ranged
    before, after = key[: found.start()], key[found.end() :]
    text = str(step)
    number = text[len(before) : len(text) - len(after)]
    if not (text.startswith(before) and text.endswith(after) and number.isdecimal()):
        return False
    width = len(found[1]) if found[1].startswith("0") else 0
    return int(found[1]) <= int(number) <= int(found[2]) and number == str(int(number)).zfill(width)


def _taken(value: Any, index: int, count: int) -> Any:
    """`value` with the number at `index` of each range in it; a text that is a range alone becomes its number."""
    if isinstance(value, dict):
        return {key: _taken(one, index, count) for key, one in value.items()}
    if isinstance(value, list):
        return [_taken(one, index, count) for one in value]
    if not isinstance(value, str) or RANGE.search(value) is None:
        return value
    if len(its := numbers(value)) != count:
        raise RangeError(f"the range in {value!r} has {len(its)} numbers, that of its key {count}")
    return int(its[index]) if RANGE.fullmatch(value) else RANGE.sub(its[index], value, count=1)
