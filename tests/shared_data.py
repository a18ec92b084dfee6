"""Public records that tests are held against; they are not part of the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared_data(*parts: str) -> Path:
    """A file or folder of the public records, or a skip that says where it was looked for."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(os.environ.get("LABWRIGHT_SHARED_DATA", beside)).joinpath(*parts)
    if not path.exists():
        pytest.skip(f"the public record {path} is not here; LABWRIGHT_SHARED_DATA names the folder that holds it")
    return path
