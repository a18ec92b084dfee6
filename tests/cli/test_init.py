"""The lab that `labwright init` makes, whatever its folder is called."""

from __future__ import annotations

import os
import pty
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from labwright.cli.init import lab_name, make_lab


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("mylab", "mylab"),
        ("9lab", "lab_9lab"),
        ("my lab-1", "my_lab_1"),
        ("null", "lab_null"),
        ("Yes", "lab_Yes"),
        ("研究室", "mylab"),
        ("a" * 200, "a" * 64),
        ("it's: #1", "it_s_1"),
    ],
)
def test_a_lab_has_the_name_of_its_folder(
    folder: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lab_name(folder) == name
    made = tmp_path / folder
    make_lab(made)
    described = YAML(typ="safe").load((made / "lab_config" / "lab.yaml").read_text())
    assert (described["name"], described["title"]) == (name, folder)
    told = capsys.readouterr().err
    assert f"cd {shlex.quote(str(made))}\n" in told
    assert "labwright campaign run first --simulated" in told


def test_a_folder_that_begins_like_an_option_is_entered_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_lab(Path("-lab"))
    assert "cd ./-lab\n" in capsys.readouterr().err


def test_here_needs_no_cd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    make_lab(Path())
    assert "cd " not in capsys.readouterr().err


@pytest.mark.slow
def test_a_simulation_says_on_a_terminal_where_its_addresses_are_and_not_what(tmp_path: Path) -> None:
    make_lab(tmp_path / "9lab")
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "labwright", "simulate", "--lab", "9lab"], cwd=tmp_path, stdout=slave, stderr=slave
    )
    os.close(slave)
    told = b""
    while b"Ctrl-C ends it" not in told:
        told += os.read(master, 4096)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    os.close(master)
    assert b"SIMULATED 9lab" in told
    assert b"monotonic" not in told
