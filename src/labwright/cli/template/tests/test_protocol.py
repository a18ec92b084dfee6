"""Each operation of the protocol happens once, wherever it is paused or its controller dies."""

from __future__ import annotations

from pathlib import Path

from labwright.testing import check_protocol


def test_each_operation_happens_once() -> None:
    print(check_protocol(Path(__file__).parents[1], "first"))
