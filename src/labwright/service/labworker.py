"""`python -m labwright.service.labworker`: reads a lab's files for the service, and ends.

What is asked comes as JSON on standard input, what is found goes as JSON to standard output. Whatever drivers and
protocols print at import goes to standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from labwright.engine.campaign import campaign_files, load_campaign
from labwright.lab import GivenData, read_lab
from labwright.model.errors import ConfigError, LabwrightError, unknown


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
        campaign = load_campaign(folder, GivenData(spec), **changes, simulated=simulated)
    return {"spec": campaign.spec.model_dump(mode="json"), "lab_sha256": folder.sha256}


if __name__ == "__main__":
    raise SystemExit(main())
