"""The default planner and the model behind every planner's predictions."""
