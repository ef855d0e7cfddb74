"""LGM, a network that sees splats in four views (Tang et al., Large Multi-View Gaussian Model)."""
