"""Reads a lab folder, and opens the lab it describes."""

from labwright.lab.folder import LabFolder, read_lab
from labwright.lab.lab import Lab
from labwright.lab.yamlfile import Mistake, MistakesError, YamlFile, validate

__all__ = ["Lab", "LabFolder", "Mistake", "MistakesError", "YamlFile", "read_lab", "validate"]
