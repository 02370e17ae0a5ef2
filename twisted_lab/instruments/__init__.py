"""Instruments: what runs any specimen to measure, compare or watch it."""
