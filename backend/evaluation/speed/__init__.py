"""Cases of speed, for `build.py bench` and the suite of diffusion."""
