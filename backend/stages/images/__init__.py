"""Splats lit and rendered: lamps, shadows, water, what stands behind."""
