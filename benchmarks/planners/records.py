"""Results as JSON lines, so that a slow peer runs once and an interrupted run resumes where it was.

One file per bench and planner. A line: `bench`, `planner`, `version` (of library and settings, or of our source),
`protocol` (what was asked of it, table included), `case`, `seed`, and what the bench stores.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from benchmarks.planners.figures import Pair


class Records:
    """The results of one bench and planner.

    Args:
        folder: of the files.
        bench: its name.
        planner: its name.
    """

    def __init__(self, folder: Path, bench: str, planner: str) -> None:
        self.file = folder / f"{bench}-{planner}.jsonl"
        self._head = {"bench": bench, "planner": planner}
        self._lines: list[dict[str, Any]] = []
        if self.file.exists():
            for text in self.file.read_text(encoding="utf-8").splitlines():
                try:
                    self._lines.append(json.loads(text))
                except json.JSONDecodeError:  # a line that was interrupted by a kill; its run is repeated
                    continue

    def find(self, version: str, protocol: str, case: str, seed: int) -> dict[str, Any] | None:
        """The newest result of exactly this, if there is one."""
        needed = {"version": version, "protocol": protocol, "case": case, "seed": seed}
        return next((line for line in reversed(self._lines) if needed.items() <= line.items()), None)

    def add(self, version: str, protocol: str, case: str, seed: int, **stored: Any) -> None:
        """Append a result."""
        key = {"version": version, "protocol": protocol, "case": case, "seed": seed}
        line = {**self._head, **key, **stored}
        self._lines.append(line)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a+b") as file:
            if file.tell():
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(json.dumps(line).encode() + b"\n")

    def latest(self, protocols: dict[str, str], version: str | None = None) -> dict[Pair, dict[str, Any]]:
        """Results by case and seed, of one version; that of the last line if none is given.

        Args:
            protocols: by case; results under another protocol are left out.
            version: whose results.
        """
        lines = [line for line in self._lines if protocols.get(line["case"]) == line["protocol"]]
        if not lines:
            return {}
        version = version or lines[-1]["version"]
        return {(line["case"], line["seed"]): line for line in lines if line["version"] == version}

    def others(self, protocols: dict[str, str], version: str) -> int:
        """How many results under these protocols are of another version."""
        lines = [line for line in self._lines if protocols.get(line["case"]) == line["protocol"]]
        return len({(line["case"], line["seed"], line["version"]) for line in lines if line["version"] != version})


def digest(*parts: object) -> str:
    """Short hash of what a result depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:12]
