"""Reads a lab folder, and opens the lab it describes."""

from labwright.lab.folder import LabFolder, read_lab
from labwright.lab.lab import Lab
from labwright.lab.validation import Reading, examine, validate
from labwright.lab.yamlfile import GivenData, Mistake, MistakesError, YamlFile

__all__ = [
    "GivenData",
    "Lab",
    "LabFolder",
    "Mistake",
    "MistakesError",
    "Reading",
    "YamlFile",
    "examine",
    "read_lab",
    "validate",
]
