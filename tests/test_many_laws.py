"""All laws in one scene: no body minds what the others are made of, and repeats are bit for bit."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .mpm_cases import CELL, EVERY, Lump, make_solver, push, run

SIDE = 4 * CELL


def lumps() -> list[Lump]:
    """Cubes of 4 cells, 5 apart, that fall at 1 m/s onto the floor."""
    corners = [(1 + 9 * (n % 3), 1 + 9 * (n // 3), 1) for n in range(len(EVERY))]
    low = [np.array(corner) * CELL + 0.5 * CELL for corner in corners]
    return [
        Lump(at, at + SIDE, law, (0, 0, -1.0)) for at, law in zip(low, EVERY.values(), strict=True)
    ]


def state(solver: Any) -> dict[str, NDArray[Any]]:
    return dict(solver.checkpoint())


def test_a_resumed_scene_of_all_laws_has_the_same_bits() -> None:
    whole = make_solver(lumps(), jitter=4)
    run(whole, 2, push())
    kept = state(whole)
    run(whole, 2, push())
    resumed = make_solver(lumps(), jitter=4)
    resumed.restore(kept)
    run(resumed, 2, push())
    for name, value in state(whole).items():
        assert value.tobytes() == state(resumed)[name].tobytes(), name
    x = whole.position()
    assert np.isfinite(x).all()
    assert (x[:, 2] > 0).all()


def test_bodies_that_do_not_touch_move_as_if_alone() -> None:
    every = make_solver(lumps(), jitter=None, largest_step=1e-4)
    run(every, 1, push(), seconds=0.02)
    at = every.position().reshape(len(EVERY), -1, 3)
    for number, name in ((0, "elastic"), (3, "plasticine"), (6, "snow")):
        alone = make_solver([lumps()[number]], largest_step=1e-4)
        run(alone, 1, push(), seconds=0.02)
        np.testing.assert_allclose(alone.position(), at[number], atol=1e-5, err_msg=name)
