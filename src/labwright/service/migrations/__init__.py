"""Steps from earlier tables of the service to today's."""
