"""Diffusion: models from local folders, samplers, and the methods that motion drives.

The libraries below read these when they are first imported, so they are set before: nothing here
ever asks a hub for a file, and nothing reports to one.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
