"""Splats fitted to pictures of a body: targets, losses, density, the loop (Kerbl et al., 2023)."""
