"""What runs beside Blender: the link to the backend, its set-up, bakes, and the takes that grow."""
