"""Splats fitted to Blender's own pictures of an object: views, the fit, and its place in takes."""
