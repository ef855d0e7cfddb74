"""How bodies meet, as the solver is told: plain data."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Meeting:
    """Which bodies have a velocity of their own, and what two of them do where they meet.

    Bodies are the numbers that particles carry. Two that meet rub with the geometric mean of their
    frictions (Coulomb), and part freely.
    """

    field: NDArray[np.int32]
    "(bodies,): bodies of one number share all motion where they meet, as two waters do."
    friction: NDArray[np.float32]
    "(bodies,)."
    stuck: tuple[tuple[int, int], ...] = ()
    "Pairs of bodies that hold to each other wherever they touch."


def bonds(meeting: Meeting) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the bodies that each is stuck to, all in one row, and where each one's begin."""
    count = len(meeting.field)
    both = {pair for a, b in meeting.stuck for pair in ((a, b), (b, a))}
    pairs = np.array(sorted(both), np.int32).reshape(-1, 2)
    first = np.searchsorted(pairs[:, 0], np.arange(count + 1)).astype(np.int32)
    # Taichi has no empty arrays.
    return first, np.ascontiguousarray(np.append(pairs[:, 1], 0), np.int32)


def one_field(bodies: int) -> Meeting:
    """Return the meeting of bodies that all share one motion."""
    return Meeting(np.zeros(bodies, np.int32), np.zeros(bodies, np.float32))
