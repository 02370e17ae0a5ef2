"""Tests, in modules that mirror the package's; run by ``python -m pytest`` and ``python -m twisted.trial tests``."""

from hypothesis import settings

# No test is judged by the clock, least of all on a machine that has other things to do.
settings.register_profile("twisted_lab", deadline=None)
settings.load_profile("twisted_lab")
