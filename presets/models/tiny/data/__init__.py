"""Procedural scenes with captions and exact passes: what the tiny models are trained on."""
