"""Ways to and from other software that optimises; none of it has to be installed."""

from labwright.planners.exchange.blop import BlopPlanner, LabwrightOptimizer, from_blop, to_blop
from labwright.planners.exchange.nimo import (
    Candidates,
    read_candidates,
    read_proposals,
    write_candidates,
    write_proposals,
)

__all__ = [
    "BlopPlanner",
    "Candidates",
    "LabwrightOptimizer",
    "from_blop",
    "read_candidates",
    "read_proposals",
    "to_blop",
    "write_candidates",
    "write_proposals",
]
