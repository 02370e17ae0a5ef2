"""Tests of faults: in memory, by a clock."""
