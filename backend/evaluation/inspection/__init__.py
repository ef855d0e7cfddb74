"""`impetus inspect`: how a take's simulation went, as plots, text and numbers."""
