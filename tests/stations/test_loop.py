"""The event loop of a station, and what is left of Bluesky's checks."""

from __future__ import annotations

import asyncio
import os
import threading
import uuid
from typing import Any

import event_model
import pytest
from event_model import DocumentNames

from labwright.stations.loop import station_loop
from labwright.stations.schema import check_once_a_shape


def test_a_busy_loop_sees_what_another_thread_calls_and_a_file_that_is_ready() -> None:
    loop = station_loop()
    reading, writing = os.pipe()
    seen: list[str] = []

    def take() -> None:
        os.read(reading, 1)
        seen.append("file")

    async def busy() -> None:
        loop.add_reader(reading, take)
        os.write(writing, b"x")
        threading.Thread(target=lambda: loop.call_soon_threadsafe(seen.append, "thread")).start()
        async with asyncio.timeout(10):
            while set(seen) != {"file", "thread"}:  # noqa: ASYNC110 - a loop that has something to do all the time
                await asyncio.sleep(0)
        loop.remove_reader(reading)
        await asyncio.sleep(0.001)  # timers too

    try:
        loop.run_until_complete(busy())
    finally:
        loop.close()
        os.close(reading)
        os.close(writing)


def _descriptor(dtype: str, set_dtype: str) -> dict[str, Any]:
    key = {"source": "s", "shape": []}
    setting = {"data": {"a": 1.0}, "timestamps": {"a": 1.0}, "data_keys": {"a": {**key, "dtype": set_dtype}}}
    return {
        "uid": str(uuid.uuid4()),
        "run_start": str(uuid.uuid4()),
        "time": 1.0,
        "name": "primary",
        "data_keys": {"y": {**key, "dtype": dtype}},
        "configuration": {"d": setting},
    }


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (
            DocumentNames.stop,
            {"uid": "a", "run_start": "b", "time": 1.0, "exit_status": "success"},
            {"uid": "c", "run_start": "d", "time": 2.0, "exit_status": "perhaps"},
        ),
        (DocumentNames.descriptor, _descriptor("number", "number"), _descriptor("numbers", "number")),
        (DocumentNames.descriptor, _descriptor("number", "number"), _descriptor("number", "numbers")),
        (
            DocumentNames.event,
            {"uid": "a", "descriptor": "b", "time": 1.0, "seq_num": 1, "data": {"y": 1.0}, "timestamps": {"y": 1.0}},
            {"uid": "a", "descriptor": "b", "time": 1.0, "seq_num": "1", "data": {"y": 1.0}, "timestamps": {"y": 1.0}},
        ),
    ],
)
def test_a_document_that_only_looks_like_a_right_one_is_refused(
    kind: DocumentNames, right: dict[str, Any], wrong: dict[str, Any]
) -> None:
    check_once_a_shape()
    validator: Any = event_model.schema_validators[kind]
    validator.validate(right)
    validator.validate({**right, "uid": "another"})  # a shape that is known
    with pytest.raises(Exception, match=r"is not (one of|of type)"):
        validator.validate(wrong)
