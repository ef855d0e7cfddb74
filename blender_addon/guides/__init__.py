"""What acts on objects, drawn where it acts in the 3D view: domain, pushes, pins, velocities."""
