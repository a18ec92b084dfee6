"""What all tests share."""

from hypothesis import settings

# A busy machine is slow, not wrong; in CI Hypothesis draws the same examples each time by itself.
settings.register_profile("labwright", settings.default, deadline=None)
settings.load_profile("labwright")
