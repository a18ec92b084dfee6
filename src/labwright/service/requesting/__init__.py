"""The request desk over HTTP: its routes. What they do is in `labwright.service.desk`."""
