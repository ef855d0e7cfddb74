"""Measures and suites: what is promised, measured."""
