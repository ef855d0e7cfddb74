"""Frames as files: layers, pictures, previews, and the record of a take."""
