"""Cameras as arrays: tracks, moves, file formats, rays. NumPy only."""
