"""The page of all routes, against the service."""

from benchmarks.http_page import PAGE, page


def test_the_page_has_every_route() -> None:
    assert page() == PAGE.read_text(encoding="utf-8"), "write it again: python -m benchmarks.http_page"
