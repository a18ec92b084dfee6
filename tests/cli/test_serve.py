"""`labwright serve`: campaigns are handed to a controller that runs, stopped and reset from outside, and resumed."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from labwright.journal import Journal, journal_file, open_latches, schema
from tests.forks import labwright, start
from tests.labs.makes import make_lab

DEADLINE_S = 60.0


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_lab(tmp_path_factory.mktemp("labs") / "mine")
