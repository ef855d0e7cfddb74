"""A shot's splats from any side, at any frame that is simulated: what a viewport shows."""
