"""What this lab can do to a sample."""
