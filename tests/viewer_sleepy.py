"""A viewer whose painter sleeps and paints plain pictures, for tests of the service.

python -P tests/viewer_sleepy.py --home HOME --idle SECONDS

A picture's colour is its frame's number; each one begun is a line in `painted`. Files `pause` and
`trouble` in the home's cache tell it how long to take, and to misbehave.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from impetus.backend.contract import views as v
from impetus.backend.contract.errors import ShotError
from impetus.backend.service.views.painter import Painted
from impetus.backend.service.views.viewer import main

STEP = 0.01


def make_paint(home: Path, device: str) -> Callable[..., Painted]:
    cache = home / "cache"

    def read(name: str) -> str:
        path = cache / name
        return path.read_text() if path.exists() else ""

    def paint(request: v.AnyView, say: Callable[[str], None], check: Callable[[], None]) -> Painted:
        with (cache / "painted").open("a") as stream:
            stream.write(f"{request.pane} {request.frame}\n")
        match read("trouble"):
            case "shot":
                raise ShotError("Cube", "expected a volume, got none.", "Close its holes.")
            case "die":
                os._exit(3)
        end = time.monotonic() + float(read("pause") or 0)
        while time.monotonic() < end:
            time.sleep(STEP)
            check()
        if request.frame > 100:
            return v.Absent(100), ()
        if isinstance(request, v.Spread):
            place = np.full((request.count, 3), request.frame, "<f4")
            return v.Points(request.count), (place, np.zeros((request.count, 3), np.uint8))
        size = (request.height, request.width)
        color = np.full((*size, 4), request.frame % 256, np.uint8)
        seen = v.Seen(0, 0, request.width, request.height, request.fine, 1, 0.0)
        return seen, (color, np.full(size, request.frame, "<f4"))

    return paint


if __name__ == "__main__":
    main(make_paint)
