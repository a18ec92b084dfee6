"""`labwright init`: a new lab that runs and passes its own tests."""

from __future__ import annotations

import shutil
from pathlib import Path

from labwright.cli.output import console
from labwright.cli.words import quoted
from labwright.model.errors import ConfigError

TEMPLATE = Path(__file__).parent / "template"


def make_lab(folder: Path) -> None:
    """Copy the template to `folder`.

    Raises:
        ConfigError: there is something already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists and is not empty; nothing was written. Choose another folder")
    shutil.copytree(TEMPLATE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    # hatch leaves dot files out of a wheel, so the template carries its .gitignore under another name
    (folder / "gitignore").rename(folder / ".gitignore")
    console.print(f"A new lab is in {folder}. Next:\n  cd {quoted(folder)}\n  labwright check\n  pytest", markup=False)
