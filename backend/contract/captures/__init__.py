"""Captures as files: Gaussian splats and coloured points in PLY, SPZ and .splat; NumPy alone."""
