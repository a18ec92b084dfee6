"""Functions with known optima, all on the unit cube and to be made small.

Source: Surjanovic and Bingham, Virtual Library of Simulation Experiments, https://www.sfu.ca/~ssurjano.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

BRANIN_LEAST = 0.39788735772973816


@dataclass(frozen=True)
class Function:
    """A function and how it is searched.

    Args:
        name: of the function.
        dimensions: of the cube.
        at: true value at a point of the unit cube, shape (d,).
        least: true value at the optimum.
        start: points all planners start with.
        budget: experiments in all.
        noise: standard deviation of a reading.
    """

    name: str
    dimensions: int
    at: Callable[[np.ndarray], float]
    least: float
    start: int
    budget: int
    noise: float = 0.0


def branin(unit: np.ndarray, shift: tuple[float, float] = (0.0, 0.0)) -> float:
    """Branin on [-5, 10] x [0, 15], moved by `shift`."""
    first, second = -5 + 15 * unit[0] + shift[0], 15 * unit[1] + shift[1]
    bowl = second - 5.1 * first**2 / (4 * math.pi**2) + 5 * first / math.pi - 6
    return float(bowl**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(first) + 10)


def currin(unit: np.ndarray) -> float:
    """Currin et al. on the unit square."""
    first, second = float(unit[0]), float(unit[1])
    damped = 1 - math.exp(-1 / (2 * second)) if second > 0 else 1.0
    return (
        damped
        * (2300 * first**3 + 1900 * first**2 + 2092 * first + 60)
        / (100 * first**3 + 500 * first**2 + 4 * first + 20)
    )


def hartmann6(unit: np.ndarray) -> float:
    """Hartmann with six dimensions."""
    return -float(_H_ALPHA @ np.exp(-(_H_A * (unit - _H_P) ** 2).sum(axis=1)))


def levy(unit: np.ndarray) -> float:
    """Levy on [-10, 10]^d."""
    w = 1 + (20 * unit - 10 - 1) / 4
    inner = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(math.pi * w[:-1] + 1) ** 2)).sum()
    return float(math.sin(math.pi * w[0]) ** 2 + inner + (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2))


def ackley(unit: np.ndarray) -> float:
    """Ackley on [-5, 10]^d, so that the optimum is not in the middle."""
    x = 15 * unit - 5
    hill = -20 * math.exp(-0.2 * math.sqrt(float((x**2).mean())))
    return hill - math.exp(float(np.cos(2 * math.pi * x).mean())) + 20 + math.e


_H_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
_H_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_H_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)

HARTMANN6 = Function("Hartmann6", 6, hartmann6, -3.322368011391339, 10, 50)
FUNCTIONS = (
    Function("Branin", 2, branin, BRANIN_LEAST, 5, 30),
    HARTMANN6,
    Function("Levy4", 4, levy, 0.0, 8, 45),
    Function("Ackley6_noisy", 6, ackley, 0.0, 10, 50, noise=0.3),
)
