"""What the tests of the client share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.service.described import held


@pytest.fixture(scope="package", autouse=True)
def _as_described() -> Iterator[None]:
    """Every answer is as `/openapi.json` says."""
    with held():
        yield
