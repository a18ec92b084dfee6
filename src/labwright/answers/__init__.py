"""What a service answers, typed once: the service describes its answers with these, the client reads them into these.

A service answers at least the fields that are here; a client keeps whatever a newer service says besides, and an older
service may leave out what has a default.
"""
