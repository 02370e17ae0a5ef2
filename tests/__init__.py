"""Tests: modules mirror those of the package; both ``python -m pytest`` and ``python -m twisted.trial tests`` run them."""
