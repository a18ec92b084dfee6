"""`python -m labwright.service.labworker`: reads a lab's files for the service, and ends.

What is asked comes as JSON on standard input, what is found goes as JSON to standard output. Whatever drivers and
protocols print at import goes to standard error.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from labwright.engine.campaign import campaign_files, load_campaign
from labwright.lab import read_lab
from labwright.model.errors import ConfigError, LabwrightError, unknown

BODY = "the campaign"
"""What is sent is called in messages, for it is no file."""


def main() -> int:
    """Answer what is asked; the exit code."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    asked = orjson.loads(sys.stdin.buffer.read())
    root = Path(asked["root"])
    try:
        found = _campaign(root, asked) if asked["work"] == "campaign" else _model(root)
    except LabwrightError as error:
        found = {"error": str(error), "exit_code": error.exit_code}
    with answers:
        answers.write(orjson.dumps(found))
    return 0


def _model(root: Path) -> dict[str, Any]:
    return {"model": read_lab(root).model.model_dump(mode="json")}


def _campaign(root: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    folder = read_lab(root)
    changes: dict[str, Any] = {name: asked.get(name) for name in ("budget", "seed", "planner", "parallel")}
    simulated = asked["instruments"] != "real"
    spec = asked.get("spec")
    if spec is None:
        known = campaign_files(root)
        if asked["name"] not in known:
            raise ConfigError(unknown("campaign", asked["name"], sorted(known)))
        campaign = load_campaign(folder, known[asked["name"]], **changes, simulated=simulated)
    else:
        with tempfile.TemporaryDirectory() as place:
            file = Path(place) / "campaign.yaml"
            file.write_bytes(orjson.dumps(spec, option=orjson.OPT_INDENT_2))  # JSON is YAML, too
            try:
                campaign = load_campaign(folder, file, **changes, simulated=simulated)
            except ConfigError as error:
                raise ConfigError(str(error).replace(str(file.resolve()), BODY).replace(str(file), BODY)) from error
    return {"spec": campaign.spec.model_dump(mode="json"), "lab_sha256": folder.sha256}


if __name__ == "__main__":
    raise SystemExit(main())
