"""The suite `fit`: splats fitted to Blender's pictures, against pictures that they never saw."""
