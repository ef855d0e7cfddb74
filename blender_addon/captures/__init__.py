"""Captured Gaussian splats as Blender objects: imported, previewed, cropped, taken to the shot."""
