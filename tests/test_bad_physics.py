"""What physics cannot do: a clear sentence each, before long work, or a treatment that is told.

Nothing is simulated here but one sweep of a collider.
"""

import numpy as np
import pytest
import taichi as ti

from impetus.backend.contract import forces as f
from impetus.backend.contract import materials as m
from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import Array, ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.regions import Group
from impetus.backend.contract.shot_check import check_shot
from impetus.backend.stages.acting import Acting
from impetus.backend.stages.bodies.prepare import prepare
from impetus.kernels.array_types import Ints
from impetus.kernels.mpm import grid
from impetus.kernels.mpm.colliders import Collider

from . import shots
from .mpm_cases import CELL, SAND, Lump, make_solver, push

SMALL = s.RenderSettings(splats=200)
Mesh = tuple[Array, Array]


def joined(*meshes: Mesh) -> Mesh:
    """Return several meshes as one."""
    starts = np.cumsum([0, *(len(vertices) for vertices, _ in meshes)])
    triangles = [t + start for (_, t), start in zip(meshes, starts, strict=False)]
    return np.concatenate([v for v, _ in meshes]), np.concatenate(triangles).astype(np.int32)


def moved(mesh: Mesh, *way: float) -> Mesh:
    return mesh[0] + np.float32(way), mesh[1]


def inside_out(mesh: Mesh) -> Mesh:
    return mesh[0], np.ascontiguousarray(mesh[1][:, ::-1])


def scene(
    *bodies: tuple[str, Mesh, dict[str, object]], **fields: object
) -> tuple[s.Shot, ArraySet]:
    arrays = ArraySet()
    made = [shots.body(arrays, name, mesh, **given) for name, mesh, given in bodies]  # type: ignore[arg-type]
    return shots.shot(arrays, made, render=SMALL, **fields), arrays


def at(x: float = 0.0, z: float = 0.5, **fields: object) -> dict[str, object]:
    return {"poses": shots.place((x, 0, z)), **fields}


def looked_at(shot: s.Shot, arrays: ArraySet) -> None:
    check_shot(shot, arrays)
    prepare(shot, arrays)


def refused(shot: s.Shot, arrays: ArraySet) -> ShotError:
    with pytest.raises(ShotError) as caught:
        looked_at(shot, arrays)
    assert caught.value.remedy
    return caught.value


# --- numbers


@pytest.mark.parametrize(
    ("material", "words"),
    [
        (
            m.Elastic(poisson_ratio=0.5),
            "Thing, poisson ratio: expected a number of at least 0 and below 0.5, got 0.5.",
        ),
        (
            m.Rubber(density=-5.0),
            "Thing, density: expected a number above 0 and at most 1e+15, got -5.",
        ),
        (
            m.Water(gamma=0.0),
            "Thing, gamma: expected a number of at least 1 and at most 20, got 0.",
        ),
    ],
)
def test_numbers_out_of_their_range_are_named(material: m.Material, words: str) -> None:
    """Structs made by a script are not checked as they are made."""
    said = refused(*scene(("Thing", shots.cube(), at(material=material))))
    assert said.sentence.startswith(words)


def test_a_grid_of_a_tenth_of_a_millimetre_bears_no_terapascal() -> None:
    box = s.Box((-2e-3, -2e-3, 0), (2e-3, 2e-3, 4e-3))
    settings = s.SimulationSettings(resolution=40, domain=box)
    stiff = at(z=2e-3, material=m.Elastic(young_modulus=1e12))
    said = refused(*scene(("Chip", shots.cube(1e-3), stiff), simulation=settings))
    assert "Chip: expected at most 400,000 time steps a frame" in said.sentence
    assert "Lower its Young's modulus, or the resolution" in said.remedy


# --- meshes

CUBE = shots.cube(0.3)
MESHES: dict[str, tuple[Mesh, float, str]] = {
    "inverted": (inside_out(CUBE), 0.027, "its faces point inwards; they are turned around"),
    "crossing": (joined(CUBE, moved(CUBE, 0.1, 0, 0)), 0.4 * 0.09, "its faces cross each other"),
    "doubled": (joined(CUBE, CUBE), 0.027, "its faces cross each other"),
    "part inverted": (
        joined(moved(CUBE, -0.2, 0, 0), inside_out(moved(CUBE, 0.2, 0, 0))),
        0.054,
        "some parts are inside out",
    ),
    "hollow": (joined(CUBE, inside_out(shots.cube(0.2))), 0.027 - 0.008, ""),
}


@pytest.mark.parametrize("name", MESHES)
def test_a_mesh_weighs_what_is_inside_of_it_once(name: str) -> None:
    mesh, volume, words = MESHES[name]
    for material in (m.Elastic(), m.Rigid(density=1000.0)):
        made = prepare(*scene(("Thing", mesh, at(material=material))))
        said = [text for text in made.warnings if text.startswith("Thing: ") and words in text]
        assert bool(said) == bool(words) or not words
        assert any("faces cross" in text for text in made.warnings) == (
            name not in ("inverted", "hollow")
        )
        if made.matter.rigid is not None:
            assert made.matter.rigid.bodies[0].mass.mass == pytest.approx(1000 * volume, rel=0.03)
        else:
            found = made.matter.particles.volume.sum(dtype=float)
            assert found == pytest.approx(volume, rel=0.03)


# --- bodies inside of others

JELLY_CUBE = ("Jelly", shots.cube(0.4), at())
PLATE = (shots.cube(1.0)[0] * np.float32([1, 1, 0.04]), shots.CUBE_TRIANGLES)
APART = {
    "soft in soft": ("Other", shots.cube(0.4), at(0.2)),
    "the same place": ("Other", shots.cube(0.4), at()),
    "small in large": ("Other", shots.sphere(0.05, 2), at()),
    "soft in rigid": ("Other", shots.cube(0.4), at(0.2, material=m.Rigid())),
    "soft in a collider": ("Other", shots.cube(0.4), at(0.2, role="static")),
    "a plate through it": ("Other", PLATE, at(role="static")),
}


@pytest.mark.parametrize("name", APART)
def test_bodies_that_start_inside_of_each_other_are_named(name: str) -> None:
    said = refused(*scene(JELLY_CUBE, APART[name]))
    assert "expected it to start outside of " in said.sentence
    assert {"Jelly", "Other"} == {n for n in ("Jelly", "Other") if n in said.sentence}
    assert said.remedy == "Move them apart."


def test_bodies_that_touch_are_fine_and_those_that_are_held_are_told_of() -> None:
    beside = ("Other", shots.cube(0.4), at(0.4))
    assert not prepare(*scene(JELLY_CUBE, beside)).warnings
    glued = ("Other", shots.cube(0.4), at(0.2, sticks_to=("Jelly",)))
    assert "matter that is in both weighs twice" in prepare(*scene(JELLY_CUBE, glued)).warnings[0]
    wall = ("Wall", shots.cube(0.4), at(0.2, role="static"))
    pinned = (f.Pin("Pin", "Jelly"),)
    said = prepare(*scene(JELLY_CUBE, wall, forces=pinned)).warnings
    assert "Jelly: it starts" in said[0]
    assert "inside of Wall, and stays there" in said[0]
    sunk = ("Jelly", shots.cube(0.4), at(z=0.05))
    assert "expected it to start above the ground" in refused(*scene(sunk)).sentence


def test_water_leaves_room_for_what_it_starts_in() -> None:
    """A tank of 0.8 x 0.8 x 0.4 m, a quarter below the ground; a block, a ball, sand in it."""
    tank = (shots.cube(0.8)[0] * np.float32([1, 1, 0.5]), shots.CUBE_TRIANGLES)
    water = ("Water", tank, at(z=0.1, material=m.Water()))
    block = ("Block", shots.cube(0.2), at(-0.2, z=0.1, role="static"))
    ball = ("Ball", shots.sphere(0.15, 3), at(0.2, z=0.15))
    sand = ("Sand", shots.cube(0.2), at(-0.2, z=0.3, material=m.Sand()))
    made = prepare(*scene(sand, water, block, ball))
    particles = made.matter.particles
    wet = particles.body == 1
    expected = 0.64 * 0.3 - 0.2**3 - 4 / 3 * np.pi * 0.15**3 - 0.04 * 0.1
    assert particles.volume[wet].sum(dtype=float) == pytest.approx(expected, rel=0.02)
    assert particles.volume[particles.body == 0].sum(dtype=float) == pytest.approx(0.008, rel=0.01)
    for name in ("Block", "Ball", "Sand"):
        assert any(f"inside of {name}; what of it is there is left out" in t for t in made.warnings)
    assert any("Water: it starts 0.1 m below the ground" in text for text in made.warnings)


# --- colliders and pins


def racing(metres_a_frame: float) -> tuple[s.Shot, ArraySet]:
    way = np.tile(np.eye(4), (4, 1, 1))
    way[:, 0, 3] = -4 + metres_a_frame * np.arange(4)
    way[:, 2, 3] = 1.0
    train = ("Train", shots.cube(0.2), {"poses": way, "role": "kinematic"})
    return scene(JELLY_CUBE, train)


def test_a_collider_that_is_too_fast_is_told_of_and_then_refused() -> None:
    assert not prepare(*racing(4.0)).warnings  # 96 m/s
    (said,) = prepare(*racing(400.0)).warnings
    assert "Train: it moves with 9,600 m/s after frame 1, so that frame takes about 9," in said
    said = refused(*racing(4000.0)).sentence
    assert "Train: expected to move by at most" in said


def test_a_collider_at_a_hundred_metres_a_second_passes_nothing_over() -> None:
    """A plate one cell thick meets sand that floats: none of it is left behind."""
    nodes = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3, indexing="ij"), axis=-1) * CELL / 2
    size = np.array([CELL / 2, 0.15, 0.15])
    away = np.abs(nodes * [1, 3, 3]) - size
    distance = np.linalg.norm(np.maximum(away, 0), axis=-1) + np.minimum(away.max(axis=-1), 0)
    plate = Collider(distance.astype(np.float32), (-3 * CELL,) * 3, CELL / 2, "separate", 0.0)
    lump = Lump((0.45, 0.47, 0.47), (0.55, 0.53, 0.53), SAND)
    solver = make_solver([lump], colliders=[plate], walls="open")
    start, end = np.eye(4)[None].copy(), np.eye(4)[None].copy()
    start[0, :3, 3], end[0, :3, 3] = (0.2, 0.5, 0.5), (0.7, 0.5, 0.5)
    took = solver.advance(0.005, push((0, 0, 0), poses=(start, end)))
    assert took.smallest_step <= 0.5 * CELL / 100 + 1e-9
    assert (solver.position()[:, 0] > 0.7 - CELL).all()


def test_a_pin_without_matter_is_named() -> None:
    """A corner has weight, but no particle is as near to it as the pin needs."""
    shot, arrays = scene(JELLY_CUBE)
    weights = np.zeros(8, np.float32)
    weights[0] = 0.5
    pin = f.Pin("Pin", "Jelly", Group("Tip", arrays.add(weights)))
    pinned = shots.changed(shot, forces=(pin,))
    check_shot(pinned, arrays)
    with pytest.raises(ShotError, match="Pin: expected particles of Jelly in the vertex group Tip"):
        Acting(pinned, arrays, prepare(pinned, arrays).matter.particles)


# --- memory


@ti.kernel
def look_near(flow: Ints, found: Ints):
    for i in found:
        found[i] = grid.is_flow_near(i, 9, 3, flow)


def test_nothing_is_read_before_the_lattice() -> None:
    """What lies in memory before the nodes is full of ones; none of the nodes is."""
    memory = np.ones(500, np.int32)
    memory[200:] = 0
    found = np.ones(20, np.int32)
    look_near(memory[200:], found)
    assert not found.any()
    memory[200 + 30] = 1
    look_near(memory[200:], found)
    assert found[15:].any()
