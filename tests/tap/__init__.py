"""Tests of the options and services of the twistd plugins."""
