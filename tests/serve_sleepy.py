"""A server in a process of its own, whose worker runs the sleepy engine.

python -P tests/serve_sleepy.py HOME [IDLE_SECONDS]
"""

import logging
import os
import signal
import sys
from pathlib import Path

from impetus.backend.service.executor import DEADLINES
from impetus.backend.service.server import Server

WORKER = [sys.executable, "-P", str(Path(__file__).with_name("engine_sleepy.py"))]
VIEWER = [sys.executable, "-P", str(Path(__file__).with_name("viewer_sleepy.py"))]
VIEWER_IDLE = "2"


def forbid_pickle(event: str, _arguments: object) -> None:
    """No message may ever make Python look up a class by a name that came with it."""
    if event == "pickle.find_class":
        os._exit(99)


if __name__ == "__main__":
    sys.addaudithook(forbid_pickle)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    idle = float(sys.argv[2]) if len(sys.argv) > 2 else 900.0
    server = Server(
        Path(sys.argv[1]),
        worker_command=WORKER,
        viewer=[*VIEWER, "--home", sys.argv[1], "--idle", VIEWER_IDLE],
        idle_seconds=idle,
        deadlines=dict(DEADLINES, simulate=2.0),
        worker_idle_seconds=1.0,
    )
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    server.run()
