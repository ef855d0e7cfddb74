"""How a thing changes its shape from frame to frame: filled by things, read by bodies."""

from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shape_check import MOST_SHAPE_BYTES, too_large

from .meshes import Form, read_form

Array = NDArray[Any]

SAME = 1e-5
"Blender units by which the vertices of a mesh that keeps its shape may differ."


class ShapeTrack:
    """The vertices of one thing in every frame; a shape that lasts is held once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rows: list[Array] = []
        self._last: Form | None = None
        self._bytes = 0
        self.fault: ShotError | None = None
        "Why it cannot be followed, if it cannot."

    def add(self, frame: int, evaluated: bpy.types.Object) -> None:
        """Note the shape that a thing has at a frame."""
        if self.fault is not None:
            return
        last, self._last = self._last, read_form(evaluated, self._last)
        now = self._last
        if last is not None and now.named != last.named:
            self._give_up(self._other_faces(frame))
            return
        self._rows.append(now.vertices)
        self._bytes += now.vertices.nbytes if now is not last else 0
        if self._bytes > MOST_SHAPE_BYTES:
            self._give_up(too_large(self._name, len(now.vertices), len(self._rows)))

    @property
    def changes(self) -> bool:
        """Whether the shape is not the same in all frames."""
        if self.fault is not None:
            return True
        kept = {id(row): row for row in self._rows}.values()
        return any(not np.allclose(row, self._rows[0], 0, SAME) for row in kept)

    @property
    def rows(self) -> list[Array]:
        """Vertices (V, 3) in Blender units, one array for each frame that was noted."""
        return self._rows

    def _other_faces(self, frame: int) -> ShotError:
        return ShotError(
            self._name,
            f"expected the same faces in every frame, got others at frame {frame}.",
            "Apply or remove what makes new faces as it moves (Remesh, Boolean, Decimate, Build).",
        )

    def _give_up(self, fault: ShotError) -> None:
        self.fault = fault
        self._rows, self._last = [], None
