"""Planners: from a campaign's state to what should be tried next. Importing this loads no optimiser library."""

from labwright.planners.protocol import PLANNERS, Planner, load_planner

__all__ = ["PLANNERS", "Planner", "load_planner"]
