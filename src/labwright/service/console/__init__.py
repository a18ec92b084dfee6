"""The console: pages for a browser, rendered here, one more client of the same routes."""
