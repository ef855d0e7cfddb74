"""Splats made truer to their picture: by hard depth on patches, and colour (PhysMotion, 3.3)."""
