"""Smoke, fire and flocks in Blender: what an artist sets, and the panels for it."""
