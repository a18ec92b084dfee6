"""`labwright init`: a new lab that runs and passes its own tests."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from labwright.cli.output import console
from labwright.cli.words import quoted
from labwright.model.errors import ConfigError

TEMPLATE = Path(__file__).parent / "template"

NAME_CHARACTERS = 64
"""Longest name of a lab."""

YAML_WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
"""What YAML would not take for a name."""


def make_lab(folder: Path) -> None:
    """Copy the template to `folder`, and give the lab the folder's name.

    Raises:
        ConfigError: there is something already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists and is not empty; nothing was written. Choose another folder")
    shutil.copytree(TEMPLATE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    # hatch leaves dot files out of a wheel, so the template carries its .gitignore under another name
    (folder / "gitignore").rename(folder / ".gitignore")
    title = folder.resolve().name
    name = lab_name(title)
    described = folder / "lab_config" / "lab.yaml"
    text = described.read_text(encoding="utf-8")
    text = text.replace("name: mylab", f"name: {name}", 1).replace(
        "title: My laboratory", f"title: {json.dumps(title, ensure_ascii=False)}", 1
    )
    described.write_text(text, encoding="utf-8")
    enter = "" if folder.resolve() == Path.cwd() else f"  cd {quoted(folder)}\n"
    console.print(
        f"The new lab {name!r} is in {folder}. Next:\n{enter}  labwright check\n"
        "  labwright campaign run first --simulated\n  pytest",
        markup=False,
    )


def lab_name(title: str) -> str:
    """A lab's name, of letters, digits and underscores, made of any folder's."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", title).strip("_")
    if not name:
        return "mylab"
    is_a_word = name[0].isalpha() and name.lower() not in YAML_WORDS
    return (name if is_a_word else f"lab_{name}")[:NAME_CHARACTERS]
