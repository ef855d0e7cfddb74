"""The suite of Motion Guidance: ten edits, fronts and sweeps."""
