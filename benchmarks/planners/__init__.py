"""The planner against other optimisers, on tables of real experiments, on functions, and on what laboratories add."""
