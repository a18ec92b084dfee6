"""Writes the page of all routes, from the service itself: `python -m benchmarks.http_page`."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labwright.service.app import make_app
from labwright.service.problems import TITLES
from labwright.service.settings import ServiceSettings

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "http.md"

HEAD = """# HTTP

All routes of the service ([serve a lab](../how-to/serve-a-lab.md)), by what they are about; written by the service
itself (`python -m benchmarks.http_page`). `/openapi.json` has their parameters, bodies and answers, each by a schema
with a name: a client in another language can be generated from it.

- A key is sent as `Authorization: Bearer lw_...`. What may not be seen is not there (`404`).
- What changes something takes an `Idempotency-Key`; sent again with it, it is done once. `202` names the place to ask
  for the answer (`Location`).
- Lists have `items` and `next`, which is the `cursor` of the next page; it is null on the last one.
- A campaign, a request, a person, a project, its quota, and the class of data have an `ETag`, for `If-None-Match`
  (`304`) and `If-Match` (`412`).
- An answer may have more fields in a newer Labwright; those that are described stay.
"""


def page() -> str:
    """The page."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        app = make_app(ServiceSettings(root=folder, data=folder, journal=str(folder / "journal.sqlite")))
        described = app.openapi()
        app.state.service.close()
    tags: dict[str, list[str]] = {}
    for path, method, one in _operations(described):
        summary = (
            str(one.get("description", "")).split("\n\n")[0].replace("\n", " ").replace("|", "\\|").replace("``", "`")
        )
        tags.setdefault(one["tags"][0], []).append(f"| `{method.upper()} {path}` | {summary} |")
    parts = [HEAD]
    for tag, rows in sorted(tags.items()):
        parts.append(
            "\n".join(
                [f"## {tag.capitalize()}", "", "| route | what it does |", "|---|---|", *sorted(rows, key=_place)]
            )
        )
    problems = [f"| `{code}` | {status} | {title} |" for code, (status, title) in TITLES.items()]
    parts.append("\n".join(["## Problems", "", "| code | status | |", "|---|---|---|", *problems]))
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in described["paths"].items():
        for method, one in methods.items():
            yield path, method, one


def _place(row: str) -> str:
    """In a list: by its path, then by its method."""
    return re.sub(r"^\| `(\w+) ([^`]+)`.*", r"\2 \1", row)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE.relative_to(ROOT))
