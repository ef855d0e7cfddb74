"""The suite of MotionCraft: five shots, baselines, ablations."""
