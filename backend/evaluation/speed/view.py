"""How often a 3D view is shown splats while an artist orbits; run by the bench command as `view-…`.

A ball of 100,000 splats, lit by a sun, fills the height of the picture; the eye goes round it in
steps of two degrees. All is as in use: a server, its viewer, the socket; one look at a time.
"""

import math
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from ...contract import shot as s
from ...contract import views as v
from ...contract.arrays import Array, ArrayRef, ArraySet
from ...contract.errors import LinkError, ResourceError
from ...contract.keys import client_keys, read_connection
from ...contract.launch import connect_or_start
from ...contract.view_client import ViewClient

SPLATS = 100_000
LOOKS = 30
RADIUS, DISTANCE = 0.5, 2.0
RINGS, SEGMENTS = 48, 96
PATIENCE = 600.0


def view_rate(width: int, height: int, *, fine: bool = False) -> float:
    """Return pictures a second, the median of those of one orbit; the first two are not counted.

    Raises LinkError where the viewer does not answer, ResourceError where it refuses.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with connect_or_start(home, Path(sys.executable)) as client:
            try:
                ref = client.bring(*_ball())
                connection = read_connection(home)
                view = ViewClient(connection.host, client.view_door(), client_keys(home))
                try:
                    spent = [
                        _seconds(view, _look(ref, n, width, height, fine=fine or n == 0))
                        for n in range(LOOKS + 2)
                    ]
                finally:
                    view.close()
            finally:
                client.shutdown()
    return 1.0 / float(np.median(spent[2:]))


def _seconds(view: ViewClient, look: v.Look) -> float:
    """Return how long one look takes, from its ask to its pixels."""
    began = time.monotonic()
    number: int | None = None
    while time.monotonic() - began < PATIENCE:
        if number is None:
            number = view.ask(look)
        for sight in view.sights(0.01):
            if sight.number != number or isinstance(sight.answer, v.Working):
                continue
            if not isinstance(sight.answer, v.Seen):
                raise ResourceError(f"Expected a picture, got {sight.answer}.")
            return time.monotonic() - began
    raise LinkError("The viewer does not answer.", "Its log tells more.")


def _look(ref: ArrayRef, step: int, width: int, height: int, *, fine: bool) -> v.Look:
    angle = math.radians(2 * step)
    forward = np.array([-math.sin(angle), math.cos(angle), 0.0])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([[math.cos(angle), math.sin(angle), 0.0], [0, 0, -1.0], forward], 1)
    pose[:3, 3] = -DISTANCE * forward
    focal = 0.45 * height * DISTANCE / RADIUS
    return v.Look(
        pane=0, source=ref, frame=1, camera_to_world=tuple(pose.ravel().tolist()),
        intrinsics=(focal, focal, width / 2, height / 2), width=width, height=height,
        near=0.1, far=10.0, fine=fine,
    )  # fmt: skip


def _ball() -> tuple[s.Shot, ArraySet]:
    """Return a shot of two frames with one ball, which nothing moves."""
    arrays = ArraySet()
    vertices, triangles = _sphere()
    still = arrays.add(np.eye(4)[None])
    sun = np.eye(4)
    sun[1:3, 1:3] = np.array([[0.8, -0.6], [0.6, 0.8]])
    body = s.Body("Ball", "static", s.Mesh(arrays.add(vertices), arrays.add(triangles)), still)
    back = np.array([[1.0, 0, 0, 0], [0, 0, 1, -DISTANCE], [0, -1, 0, 0], [0, 0, 0, 1]])
    shot = s.Shot(
        name="Ball",
        frames=s.FrameRange(1, 2, 24.0, 1),
        film=s.Film(64, 36),
        camera=s.CameraTrack(
            arrays.add(np.stack([back] * 2)), arrays.add(np.array([[60.0, 60, 32, 18]] * 2))
        ),
        gravity=arrays.add(np.array([[0, 0, -9.81]])),
        bodies=(body,),
        lights=(s.Light("Sun", "sun", arrays.add(sun[None]), power=3.0),),
        render=s.RenderSettings(splats=SPLATS),
    )
    return shot, arrays


def _sphere() -> tuple[Array, Array]:
    """Return vertices and outward triangles of a ball, closed at its poles."""
    tilt = np.linspace(0, np.pi, RINGS + 1)[:, None]
    turn = np.linspace(0, 2 * np.pi, SEGMENTS, endpoint=False)[None]
    rings = np.stack(
        np.broadcast_arrays(np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt)),
        -1,
    )[1:-1].reshape(-1, 3)
    vertices = RADIUS * np.concatenate([[[0, 0, 1]], rings, [[0, 0, -1]]])
    last, faces = len(vertices) - 1, []
    for j in range(SEGMENTS):
        k = (j + 1) % SEGMENTS
        faces.append((0, 1 + j, 1 + k))
        for i in range(RINGS - 2):
            a, b = 1 + i * SEGMENTS, 1 + (i + 1) * SEGMENTS
            faces += [(a + j, b + j, b + k), (a + j, b + k, a + k)]
        end = 1 + (RINGS - 2) * SEGMENTS
        faces.append((last, end + k, end + j))
    return vertices.astype(np.float32), np.array(faces, np.int32)
