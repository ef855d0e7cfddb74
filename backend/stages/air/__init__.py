"""What moves in a shot's air: smoke and fire on a grid, flocks among obstacles."""
