"""The diffusion methods in Blender: what an artist sets, sees and does for them."""
