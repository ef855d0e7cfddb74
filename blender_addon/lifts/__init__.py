"""Bodies made of one picture: the backend lifts it, and its splats become an object."""
