"""Planners: from a campaign's state to what should be tried next. Importing this loads no optimiser library."""

from labwright.planners.protocol import Planner
from labwright.planners.registry import BACKENDS, BUILT_IN, PLANNERS, load_planner
from labwright.planners.worker import Answer, PlannerWorker, Worker

__all__ = ["BACKENDS", "BUILT_IN", "PLANNERS", "Answer", "Planner", "PlannerWorker", "Worker", "load_planner"]
