"""Incompressible fluids on a staggered grid, in two or three dimensions: smoke and liquid."""
