"""Where things are: labs, their data, their journals, their campaigns."""

from __future__ import annotations

from pathlib import Path

from labwright.cli.words import quoted
from labwright.model.errors import ConfigError, unknown


def reference_lab() -> Path:
    """The lab that comes with Labwright: inside a wheel, or the repository's root in an editable install."""
    packaged = Path(__file__).parents[1] / "_reference_lab"
    return packaged if packaged.is_dir() else Path(__file__).parents[3]


def lab_root(lab: Path | None) -> Path:
    """The lab that was named, else the lab of the current folder, else the reference lab."""
    if lab is not None:
        return lab
    here = Path.cwd()
    return next((one for one in (here, *here.parents) if (one / "lab_config").is_dir()), reference_lab())


def data_folder(root: Path, data: Path | None) -> Path:
    """The folder of a lab's data: in the lab, but never in an installed package."""
    if data is not None:
        return data
    return Path.cwd() / "var" if root.name == "_reference_lab" else root / "var"


def simulation_file(root: Path) -> Path:
    """The file of addresses that `labwright simulate` writes by default."""
    return data_folder(root, None) / "endpoints.json"


def kept_data(lab: Path | None, data: Path | None) -> Path:
    """The data folder of a lab in which something was run.

    Raises:
        ConfigError: there is none.
    """
    folder = data_folder(lab_root(lab), data)
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {folder}: no campaign was run there yet (labwright campaign run)")
    if data is None and not (folder / "runs").is_dir() and (folder / "demo" / "runs").is_dir():
        raise ConfigError(f"{folder} has only the runs of the demo; show them with --data {quoted(folder / 'demo')}")
    return folder


def journal_place(lab: Path | None, data: Path | None, journal: str) -> str | Path:
    """A journal in which something was run: its URL, or its file.

    Raises:
        ConfigError: there is none.
    """
    from labwright.journal import journal_file

    if journal:
        return journal
    folder = kept_data(lab, data)
    if not journal_file(folder).exists():
        raise ConfigError(f"{folder} has no journal; run a campaign first (labwright campaign run)")
    return journal_file(folder)


def journal_or_none(lab: Path | None, data: Path | None, journal: str) -> str | Path | None:
    """A journal in which something was run; None if there is none where one is looked for without being named.

    Raises:
        ConfigError: there is none in a folder that was named.
    """
    try:
        return journal_place(lab, data, journal)
    except ConfigError:
        if data is not None:
            raise
        return None


def find_campaign(root: Path, name: str) -> Path:
    """The file of a campaign given by name or path.

    Raises:
        ConfigError: there is none.
    """
    path = Path(name)
    if path.suffix == ".yaml":
        if path.is_file():
            return path.resolve()
        raise ConfigError(f"there is no file {path}")
    folder = root / "lab_config" / "campaigns"
    known = sorted(one.stem for one in folder.glob("*.yaml"))
    if name not in known:
        raise ConfigError(unknown("campaign", name, known))
    return (folder / f"{name}.yaml").resolve()
