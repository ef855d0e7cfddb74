"""The suites of the networks in the box, and of how latents move."""
