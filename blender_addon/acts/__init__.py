"""What acts on one object beside fields: pushes, blows, pins, its release."""
