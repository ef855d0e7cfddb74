"""The material point method: particles, grid, colliders, one solver."""
