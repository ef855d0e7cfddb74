"""What is foretold of a shot, against what the kernels allow and what the stages make."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from impetus.backend.contract import materials as m
from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.outlook.foresee import Outlook, Plan, foresee
from impetus.backend.contract.outlook.load import LAYERS, grid_bytes
from impetus.backend.contract.outlook.pace import Pace, RenderPace, materials_key, read_pace
from impetus.backend.contract.outlook.standing import Standing, mesh_size
from impetus.backend.contract.outlook.steps import COURANT, RIGID_STEP, STRIDE, longest_step
from impetus.backend.contract.simulation_record import FrameState, SimulationRecord
from impetus.backend.stages.bodies.laws import law_of
from impetus.backend.stages.bodies.prepare import estimate, prepare
from impetus.kernels.mpm import solver
from impetus.kernels.mpm.materials import table
from impetus.kernels.mpm.state import Layout
from impetus.kernels.rigid import world
from tests import shots

SOFT = (
    m.Elastic(), m.Rubber(), m.Metal(), m.Plasticine(), m.Brittle(), m.Sand(), m.Snow(), m.Cream(),
    m.Water(), m.Water(viscosity=50.0),
)  # fmt: skip


def outlook(shot: s.Shot, arrays: ArraySet, pace: Pace = Pace()) -> Outlook:  # noqa: B008
    """Foresee a shot whose bodies stand as they are, unturned."""
    standing = []
    for body in shot.bodies:
        vertices, triangles = arrays.of(body.mesh.vertices), arrays.of(body.mesh.triangles)
        world = vertices + arrays.of(body.poses)[0, :3, 3]
        volume, area, closed = mesh_size(vertices, triangles)
        standing.append(
            Standing(
                body.name, world.min(axis=0), world.max(axis=0), body.material,
                volume=volume, area=0.0 if closed else area, thickness=body.thickness,
                velocity=body.velocity, spin=body.angular_velocity,
            )
        )  # fmt: skip
    plan = Plan(
        shot.frames, shot.simulation, arrays.of(shot.gravity)[0], 0.0, shot.render.splats,
        shot.film.width * shot.film.height,
    )  # fmt: skip
    found = foresee(standing, plan, pace)
    assert found is not None
    return found


@pytest.mark.parametrize("material", SOFT, ids=lambda each: type(each).__name__)
def test_steps_are_the_kernels_own(material: m.Material) -> None:
    kernel = table.longest_step(law_of(material), 0.02)
    assert longest_step(material, 0.02) == pytest.approx(kernel, rel=1e-6)


def test_constants_are_the_kernels_own() -> None:
    assert (COURANT, STRIDE) == (table.COURANT, solver.STRIDE)
    assert (RIGID_STEP, STRIDE) == (world.LONGEST_STEP, world.STRIDE)


@pytest.mark.parametrize("count", [1, 3, 9])
def test_the_grid_is_counted_with_its_padding_and_its_layers(count: int) -> None:
    layout = Layout((0, 0, 0), 0.1, (30, 17, 9))
    materials = [m.Elastic()] * (count - 1) + [m.Water(), m.Sand()]
    layers = min(count, LAYERS)
    each = 40 + 8 * (layers > 1)  # two vec4, two counts; whose it is, and what is held
    assert grid_bytes((30, 17, 9), materials) == layers * layout.node_count * each
    assert grid_bytes((0, 0, 0), materials) == 0


def test_mesh_size_of_known_shapes() -> None:
    assert mesh_size(*shots.cube(0.4)) == (pytest.approx(0.064), pytest.approx(0.96), True)
    volume, area, closed = mesh_size(*shots.sphere(0.25, 4))
    assert closed
    assert volume == pytest.approx(4 / 3 * np.pi * 0.25**3, rel=0.01)
    assert area == pytest.approx(4 * np.pi * 0.25**2, rel=0.01)
    vertices, triangles = shots.cube(0.4)
    volume, area, closed = mesh_size(vertices, triangles[:-1])
    assert (volume, closed) == (0.0, False)
    assert area == pytest.approx(0.96 - 0.08)


@pytest.mark.parametrize("automatic", [False, True])
def test_counts_and_box_are_those_of_the_stages(automatic: bool) -> None:
    shot, arrays = shots.three_materials()
    if automatic:
        settings = msgspec.structs.replace(shot.simulation, domain=None)
        shot = msgspec.structs.replace(shot, simulation=settings)
    found, prepared, exact = outlook(shot, arrays), prepare(shot, arrays), estimate(shot, arrays)
    assert prepared.domain is not None
    np.testing.assert_allclose(found.low, prepared.domain.origin, atol=1e-6)
    assert found.spacing == pytest.approx(prepared.domain.spacing)
    count = len(prepared.matter.particles.position)
    assert found.particle_count == pytest.approx(count, rel=0.02)
    assert found.particle_count == pytest.approx(exact.particles, rel=1e-3)
    assert found.memory_bytes == pytest.approx(exact.memory_bytes, rel=0.1)
    assert found.slowest == "Sand"


def test_only_rigid_bodies_need_no_grid() -> None:
    arrays = ArraySet()
    ball = shots.body(arrays, "Ball", shots.sphere(0.2), material=m.Rigid())
    shot = shots.shot(arrays, [ball])
    found = outlook(shot, arrays)
    assert (found.particle_count, found.slowest) == (0, "")
    assert found.substeps_at_rest == 480 // 24
    standing = Standing("Floor", np.zeros(3), np.ones(3))
    plan = Plan(shot.frames, shot.simulation, np.zeros(3), None, 100, 100)
    assert foresee([standing], plan, Pace()) is None


def test_pace_is_learnt_from_a_take_and_kept(tmp_path: Path) -> None:
    assert read_pace(tmp_path) == Pace()
    frames = tuple(
        FrameState(n, 10 * (n > 0), 0.0, 0.0, 1000, 0, 5.0 if n == 1 else 0.1, ()) for n in range(5)
    )
    record = SimulationRecord("A", 24.0, 0, 0.1, ("Cube", "Floor"), ("elastic", ""), True, frames)
    (tmp_path / "simulation.json").write_bytes(msgspec.json.encode(record))
    pace = read_pace(tmp_path)
    assert pace.steps == {"elastic": pytest.approx(1e5)}  # the first frame compiled
    assert pace.render is None
    told = {
        "seconds": {"prepare": 2.0, "render": 6.0, "splat": 1.0, "deliver": 1.0}, "width": 10,
        "height": 20, "frames": dict.fromkeys("1234", "whole"),
        "settings": {"render": {"splats": 500}},
    }  # fmt: skip
    (tmp_path / "take.json").write_bytes(msgspec.json.encode(told))
    pace = read_pace(tmp_path)
    assert pace.render == RenderPace(2.0, 2.0, 500, 200)
    assert pace.render_seconds(3, 1000, 400) == pytest.approx(4 + 3 * 4)
    other = Pace({"rigid": 7.0}, "rigid")
    both = pace.over(other)
    assert both.steps_a_second("sand") == pytest.approx(1e5)
    assert both.steps_a_second("rigid") == 7.0
    assert other.over(Pace()).steps_a_second("sand") is None
    assert materials_key(("", "water", "rigid", "sand")) == "sand+water"


def test_time_is_steps_over_pace_and_the_render() -> None:
    shot, arrays = shots.falling_cube(frames=(1, 5))
    assert outlook(shot, arrays).seconds is None
    pixels = shot.film.width * shot.film.height
    pace = Pace({"elastic": 1e6}, "elastic", RenderPace(1.0, 0.5, shot.render.splats, pixels))
    found = outlook(shot, arrays, pace)
    steps = 4 * found.particle_count * (found.substeps_at_rest + found.substeps) / 2
    assert found.seconds == pytest.approx(steps / 1e6 + 1.0 + 5 * 0.5)
