"""How well the dispatcher schedules: instances, bounds, rules; see README.md."""
