"""`labwright inventory labels`: what is stuck on containers, as a sheet of SVG at its true size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labwright.cli.output import console, counted, emit
from labwright.cli.sites import Place, seen
from labwright.facts.labels import label_facts
from labwright.model.errors import ConfigError


def write_labels(place: Place, instruments: str, file: Path, names: Sequence[str], *, json: bool) -> None:
    """Write labels for containers.

    Raises:
        ConfigError: the deck has no such container, or the file cannot be written.
    """
    found = seen(
        place,
        lambda journal: label_facts(journal, instruments, names),
        lambda client: client.inventory.labels(names, instruments),
    ).facts
    try:
        file.write_text(found["svg"], encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be written: {error.strerror}") from error
    if json:
        emit({"file": str(file), "labels": found["labels"]})
        return
    console.print(f"{counted(len(found['labels']), 'label')} in {file}: print it at 100 %", style="bold", markup=False)
