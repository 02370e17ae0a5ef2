"""Tests of the experiments' parts; the experiments themselves are run by the tutorial's pages."""
