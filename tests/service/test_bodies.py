"""JSON bodies are read strictly: a typing mistake must not become another experiment."""

from __future__ import annotations

import pytest

from labwright.service.bodies import DEPTH_MOST, KEYS_MOST, strict_json
from labwright.service.problems import Problem

REFUSED = {
    b"": "malformed",
    b"{": "malformed",
    b"\xff\xfe{}": "malformed",
    b'{"a": 1} {}': "malformed",
    b"{'a': 1}": "malformed",
    b'{"a": NaN}': "not_a_number",
    b'{"a": -Infinity}': "not_a_number",
    b'{"a": 1e999}': "not_a_number",
    b'{"t": 950, "t": 450}': "duplicate_key",
    b'{"a": {"t": 1, "t": 1}}': "duplicate_key",
    b"[" * (DEPTH_MOST + 1) + b"]" * (DEPTH_MOST + 1): "too_deep",
    b"[" * 100_000: "too_deep",
    b'{"a":' * 100_000: "too_deep",
    b"[" + b"1," * KEYS_MOST + b"1]": "too_large",
    b'{"a": ' + b"[" + b"1," * KEYS_MOST + b"1]}": "too_large",
    b"[[" + b"1," * KEYS_MOST + b"1]]": "too_large",
    b"1" * 5000: "not_a_number",
    b'{"a": ["x\\u0000y"]}': "malformed",
    b'{"a\\u0000": 1}': "malformed",
    b'{"a": {"b": "\\ud800"}}': "malformed",
    b'{"\\udc00\\ud800": 1}': "malformed",
    b'"\\ud83d"': "malformed",
    b'{"a": "\xed\xa0\x80"}': "malformed",
}


@pytest.mark.parametrize(("raw", "code"), REFUSED.items(), ids=[f"{raw[:16]!r}" for raw in REFUSED])
def test_what_is_refused(raw: bytes, code: str) -> None:
    with pytest.raises(Problem) as refused:
        strict_json(raw)
    assert refused.value.code == code
    assert len(refused.value.detail) < 300


def test_what_is_taken() -> None:
    deep = b"[" * DEPTH_MOST + b"]" * DEPTH_MOST
    assert strict_json(deep)
    assert strict_json(b'{"a": [1, 2.5, "x", null, true], "b": {"a": "\\u00e4\\ud83d\\ude00"}}') == {
        "a": [1, 2.5, "x", None, True],
        "b": {"a": "ä😀"},
    }
