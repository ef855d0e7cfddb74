"""Trainings of the networks that ship with Impetus, and the data that they learn from."""
