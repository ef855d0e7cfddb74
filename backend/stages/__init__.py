"""The chain that makes frames: prepare, simulate, splat, render, deliver, and their cache."""
