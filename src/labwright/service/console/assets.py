"""Files of the console that browsers may keep for ever: their address has their hash."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response

from labwright.service.problems import Problem

router = APIRouter(include_in_schema=False)

MEDIA = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
}

HASHED = 12
"""Characters of the SHA-256 in an address."""


@dataclass(frozen=True)
class Asset:
    """A file.

    Attributes:
        content: of it.
        packed: the same for browsers that take gzip.
        media: its type.
        path: by which browsers fetch it.
    """

    content: bytes
    packed: bytes
    media: str
    path: str


@cache
def assets() -> dict[str, Asset]:
    """All of them, by name."""
    found = {}
    for name, file in _files(files("labwright.service.console").joinpath("static"), ""):
        content = file.read_bytes()
        digest = hashlib.sha256(content).hexdigest()[:HASHED]
        media = MEDIA[name.rpartition(".")[2]]
        found[name] = Asset(content, gzip.compress(content, 9, mtime=0), media, f"/static/{digest}/{name}")
    return found


def _files(folder: Traversable, above: str) -> list[tuple[str, Traversable]]:
    found = []
    for one in folder.iterdir():
        name = f"{above}{one.name}"
        found += _files(one, f"{name}/") if one.is_dir() else [(name, one)]
    return [(name, one) for name, one in found if name.rpartition(".")[2] in MEDIA]


@router.get("/static/{digest}/{name:path}")
async def asset(request: Request, digest: str, name: str) -> Response:
    """A file; another version than this one's is not here."""
    one = assets().get(name)
    if one is None or one.path != f"/static/{digest}/{name}":
        raise Problem("not_found", f"nothing is at {request.url.path[:200]}")
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(one.packed, headers={**headers, "Content-Encoding": "gzip"}, media_type=one.media)
    return Response(one.content, headers=headers, media_type=one.media)
