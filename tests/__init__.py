"""Tests, in modules that mirror the package's; run by ``python -m pytest`` and ``python -m twisted.trial tests``."""
