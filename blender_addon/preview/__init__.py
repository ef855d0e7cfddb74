"""Particles of a take in the 3D view, while it is made and afterwards."""
