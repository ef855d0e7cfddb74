"""Diffusion: models from local folders, samplers, and the methods that motion drives.

The libraries below read these when they are first imported, so they are set before: nothing here
ever asks a hub for a file, nothing reports to one, and no bars are drawn over our own progress.
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
