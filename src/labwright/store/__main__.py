"""`python -m labwright.store serve FOLDER` and `python -m labwright.store upload RUNS FOLDER`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

NICE = 10
"""Uploader, and the server it starts, give way: a busy machine must slow the store and not the experiment."""


def main() -> int:
    """Run the server or the uploader; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m labwright.store")
    verbs = parser.add_subparsers(dest="verb", required=True)
    serve_parser = verbs.add_parser("serve", help="serve the store in FOLDER until SIGTERM")
    serve_parser.add_argument("folder", type=Path)
    serve_parser.add_argument("parent", type=int, help="process to end with")
    upload_parser = verbs.add_parser("upload", help="upload closed runs; paths of new ones on standard input")
    upload_parser.add_argument("runs", type=Path)
    upload_parser.add_argument("folder", type=Path)
    upload_parser.add_argument("--deadline", type=float, default=120.0, help="seconds after the end of the input")
    words = parser.parse_args()
    if words.verb == "serve":
        from labwright.store.server import serve

        serve(words.folder, words.parent)
        return 0
    from labwright.store.upload import upload

    os.nice(NICE)
    return upload(words.runs, words.folder, words.deadline)


if __name__ == "__main__":
    raise SystemExit(main())
