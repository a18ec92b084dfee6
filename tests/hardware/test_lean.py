"""Ophyd is imported without what a lab rarely has, and has all of it when a program asks."""

from __future__ import annotations

import subprocess
import sys


def _said(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_detectors_are_imported_only_when_they_are_asked_for() -> None:
    said = _said(
        "import sys, labwright.hardware, ophyd\n"
        "print('networkx' in sys.modules, 'ophyd.areadetector' in sys.modules)\n"
        "from ophyd import AreaDetector, EpicsMCA\n"
        "from ophyd.areadetector import ADComponent\n"
        "import ophyd.quadem\n"
        "print(AreaDetector.__module__, ophyd.QuadEM is ophyd.quadem.QuadEM, hasattr(ophyd, 'nothing_of_it'))\n"
    )
    assert said.split("\n")[:2] == ["False False", "ophyd.areadetector.detectors True False"]


def test_ophyd_has_the_same_names_as_without_labwright() -> None:
    names = "print([one for one in sorted(dir(ophyd)) if one != '__getattr__'])"
    assert _said(f"import ophyd; {names}") == _said(f"import labwright.hardware, ophyd; ophyd.QuadEM; {names}")
