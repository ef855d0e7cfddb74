"""Gaussian splats on the screen: project, sort, blend, light."""
