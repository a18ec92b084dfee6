"""Other optimisers as planners; each needs the extra of its name and loads its library only when it is asked."""
