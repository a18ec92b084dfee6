"""Calling a method of many devices at once, whatever one driver does: raise, hang, or try to end the program."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from labwright.lab.classes import in_words
from labwright.model.errors import DeviceError

TELL_S = 30.0
"""Wall seconds a device may take to halt or to become safe; its own time-outs and repetitions take a few."""


def tell_all(devices: Mapping[str, Any], what: str, deadline_s: float | None = None) -> dict[str, str]:
    """Call a method of all devices at once; those on one line take turns there.

    Args:
        devices: by name.
        what: name of the method.
        deadline_s: wall seconds after which a device counts as failed, and is waited for no longer; `TELL_S` if None.

    Returns:
        why it failed, by name of the device; empty if all have done it.
    """
    deadline_s = TELL_S if deadline_s is None else deadline_s
    answers: dict[str, str] = {}
    lock = threading.Lock()
    closed = False

    def tell(name: str, device: Any) -> None:
        why = ""
        try:
            with in_words(DeviceError, "its driver fails"):
                getattr(device, what)()
        except Exception as error:  # noqa: BLE001 - a driver's mistake, whatever it raises, must not keep the other devices from it
            why = str(error) or type(error).__name__
        with lock:
            if not closed:
                answers[name] = why

    # Not a pool: its threads are waited for when the program ends, and one that hangs would keep it for ever.
    threads = {
        name: threading.Thread(target=tell, args=(name, device), name=f"{what} {name}", daemon=True)
        for name, device in devices.items()
    }
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + deadline_s
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))
    with lock:
        closed = True
    late = f"{what} has not ended within {deadline_s:g} s"
    return {name: why for name in devices if (why := answers.get(name, late))}
