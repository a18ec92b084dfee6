"""`labwright check` and `labwright schema`."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from labwright.cli.output import console, emit
from labwright.model.errors import ConfigError, LabwrightError, unknown


def check_lab(root: Path, *, json: bool) -> None:
    """Check everything that can be checked without opening a port.

    Raises:
        ConfigError: everything that was found.
    """
    from labwright.engine import campaign_files, load_campaign, make_protocol, protocol_classes
    from labwright.lab import MistakesError, read_lab

    try:
        folder = read_lab(root)
        problems: list[str] = []
        protocols = protocol_classes(folder)
        for name in protocols:
            try:
                make_protocol(folder, name)
            except ConfigError as error:
                problems.append(str(error))
        campaigns = campaign_files(folder)
        for path in campaigns.values():
            try:
                load_campaign(folder, path)
            except ConfigError as error:
                problems.append(str(error))
        if problems:
            raise ConfigError("\n".join(problems))
    except LabwrightError as error:
        if json and isinstance(error, MistakesError):
            for one in error.mistakes:
                emit({"file": str(one.file), "line": one.line, "column": one.column, "message": one.message})
        elif json:
            emit({"message": str(error)})
        raise
    model = folder.model
    found = {
        "lab": model.name,
        "stations": len(model.stations),
        "devices": len(model.devices),
        "protocols": sorted(protocols),
        "campaigns": sorted(campaigns),
        "sha256": folder.sha256,
    }
    if json:
        emit(found)
    else:
        console.print(
            f"{model.title}: {len(model.stations)} stations, {len(model.devices)} devices, "
            f"protocols {', '.join(sorted(protocols))}, campaigns {', '.join(sorted(campaigns)) or 'none'}. "
            "All is well."
        )


def print_schema(what: str) -> None:
    """Print a JSON Schema.

    Raises:
        ConfigError: no such schema.
    """
    from labwright.model.campaign import CampaignState
    from labwright.model.lab import LabModel
    from labwright.model.spec import CampaignSpec

    models: dict[str, type[BaseModel]] = {"lab": LabModel, "campaign": CampaignSpec, "campaign-state": CampaignState}
    if what not in models:
        raise ConfigError(unknown("schema", what, list(models)))
    emit(models[what].model_json_schema())
