"""Tests, in modules that mirror the package's; run by ``python -m pytest`` and ``python -m twisted.trial tests``."""

from hypothesis import HealthCheck, settings

# No test is judged by the clock, nor is what Hypothesis draws, least of all on a machine that has other things to do.
settings.register_profile("twisted_lab", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("twisted_lab")
