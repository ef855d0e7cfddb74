"""Bodies made ready: shapes, particles, splats and their looks."""
