"""Options that several verbs have, each with its one help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LabOption = Annotated[Path | None, typer.Option("--lab", help="The lab's folder; this one, or the reference lab.")]
DataOption = Annotated[Path | None, typer.Option("--data", help="Folder of journal, runs and reports; LAB/var.")]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object per line on standard output.")]
SimulatedOption = Annotated[bool, typer.Option("--simulated", help="On the lab's simulated instruments.")]
EndpointsOption = Annotated[
    Path | None, typer.Option("--endpoints", help="File written by `labwright simulate`: use those instruments.")
]
JournalOption = Annotated[
    str,
    typer.Option(
        "--journal", envvar="LABWRIGHT_JOURNAL", help="URL of a journal in PostgreSQL; DATA/journal.sqlite without."
    ),
]
ByOption = Annotated[str, typer.Option("--by", help="Who does it, for the journal; the system's user without.")]
SpeedOption = Annotated[
    float,
    typer.Option("--speed", help="Lab seconds per second; 0 is the stepped clock, as fast as it goes.", min=0, max=100),
]
CampaignArgument = Annotated[
    str, typer.Argument(metavar="[ID|NAME]", help="A campaign's id, or its name: the newest of it; the newest of all.")
]
BecauseOption = Annotated[str, typer.Option("--because", help="Why, for the journal.")]
