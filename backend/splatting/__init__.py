"""Splats as torch tensors: shapes, colours, and images that gradients flow back from."""
