"""Libraries of the peers: imported when a peer is run, each with one thread, and named with its pip line if missing."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from labwright.planners._proposals import derive_seed

_PIP = {
    "baybe": "pip install baybe",
    "botorch": "pip install torch --index-url https://download.pytorch.org/whl/cpu && pip install botorch",
    "optuna": "pip install optuna",
    "skopt": "pip install scikit-optimize",
}
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_DISTRIBUTIONS = {"skopt": "scikit-optimize"}


class MissingLibraryError(Exception):
    """A peer's library is not installed."""


def library(module: str) -> Any:
    """A library's module, as ``botorch.models``.

    Raises:
        MissingLibraryError: with the line that installs it.
    """
    package = module.partition(".")[0]
    try:
        if package in ("botorch", "optuna", "baybe"):  # optuna's Gaussian process needs torch too
            importlib.import_module("torch").set_num_threads(1)
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        line = _PIP.get(package) or _PIP["botorch"]
        raise MissingLibraryError(f"{module} is not installed ({error}): {line}") from error
    if package == "optuna":
        found.logging.set_verbosity(found.logging.ERROR)
    return found


def version_of(package: str) -> str:
    """The installed version, or that there is none."""
    try:
        return version(_DISTRIBUTIONS.get(package, package))
    except PackageNotFoundError:
        return "absent"


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread in every numerical library: the loaded ones are switched, others read it when they are loaded."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        with threadpool_limits(1):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def quiet() -> None:
    """Drop the warnings peers give on every ask: repeated points, kernels at their bounds, numerics."""
    warnings.filterwarnings("ignore")


def seed_of(seed: int, measured: int, name: str) -> int:
    """A seed for one ask, 31 bits as all libraries take it."""
    return derive_seed(seed, measured, name) % 2**31


def standardised(losses: np.ndarray) -> np.ndarray:
    """Of mean 0 and unit variance, so that no library's fixed margin depends on the unit of an outcome."""
    spread = float(losses.std())
    return (losses - losses.mean()) / (spread if spread > 0 else 1.0)
