"""Tests of twisted_lab.filexfer.trees."""
