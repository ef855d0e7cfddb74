from typing import get_args

import msgspec
import numpy as np
import psutil
import pytest

from impetus.backend.contract import materials
from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import MemoryShortError, ShotError
from impetus.backend.stages.bodies.prepare import estimate, prepare
from impetus.kernels.mesh_distance import winding_number
from tests import shots

OPEN_AIR = s.SimulationSettings(resolution=24)


def one_body(
    mesh: tuple[np.ndarray, np.ndarray] | None = None, **fields: object
) -> tuple[s.Shot, ArraySet]:
    arrays = ArraySet()
    return shots.shot(arrays, [shots.body(arrays, "Thing", mesh or shots.cube(), **fields)]), arrays


@pytest.mark.parametrize("mesh", [shots.cube(0.4), shots.sphere(0.25, 4)], ids=["cube", "sphere"])
def test_particles_hold_exactly_the_mesh_volume(mesh: tuple[np.ndarray, np.ndarray]) -> None:
    shot, arrays = one_body(mesh, poses=shots.place((0, 0, 0.5)))
    particles = prepare(shot, arrays).matter.particles
    volume = 0.4**3 if len(mesh[0]) == 8 else 4 / 3 * np.pi * 0.25**3
    assert particles.volume.sum(dtype=float) == pytest.approx(volume, rel=0.01)  # facets
    cell = 2 / 24 / 2
    # a box of 9.6 cells is filled by 10 slightly smaller ones
    assert len(particles.volume) == pytest.approx(volume / cell**3, rel=0.15)
    assert np.allclose(particles.position.mean(axis=0), (0, 0, 0.5), atol=0.01)


def test_body_starts_at_its_pose_and_speed() -> None:
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    vertices, triangles = shots.cube(0.2)
    mesh = (vertices * np.float32([3, 1, 1]), triangles)
    shot, arrays = one_body(
        mesh,
        poses=shots.place((0.1, 0.2, 0.5), turn),
        velocity=(1, 0, 0),
        angular_velocity=(0, 0, 2),
    )
    p = prepare(shot, arrays).matter.particles
    assert np.ptp(p.position, axis=0) == pytest.approx([0.2, 0.6, 0.2], abs=0.05)
    offset = p.position - p.position.mean(axis=0)
    expected = np.array([1, 0, 0]) + np.cross([0, 0, 2], offset)
    assert np.allclose(p.velocity, expected, atol=1e-5)


def test_splats_share_the_budget_and_follow_the_shot() -> None:
    shot, arrays = shots.three_materials()
    made = prepare(shot, arrays)
    counts = np.bincount(made.looks.body, minlength=5)
    names = [body.name for body in shot.bodies]
    assert counts.sum() == pytest.approx(shot.render.splats, rel=0.05)
    assert counts[names.index("Water")] == pytest.approx(3 * 0.6 * 3000 * 0.54 / 3.6, rel=0.35)
    assert set(np.flatnonzero(np.bincount(made.looks.body, made.round) > 0)) == {1, 2}
    moving = np.isin(made.looks.body, [0, 1, 2])
    assert np.array_equal(made.tracer_splat, np.flatnonzero(moving))
    assert np.array_equal(made.tracers.position, made.rest_mean[moving])
    assert np.array_equal(made.tracers.body, made.looks.body[moving])


def test_new_scenery_and_new_looks_leave_the_tracers() -> None:
    shot, arrays = shots.falling_cube()
    before = prepare(shot, arrays).tracers.position
    cube, floor = shot.bodies
    painted = msgspec.structs.replace(
        cube, looks=s.Looks(surfaces=(s.Surface(base_color=(0, 1, 0), alpha=0.5),))
    )
    wall = shots.body(arrays, "Wall", shots.plane(3.0), role="static")
    after = prepare(shots.changed(shot, bodies=(painted, floor, wall)), arrays).tracers.position
    assert np.array_equal(before, after)


def test_discs_are_flat_and_face_outwards() -> None:
    shot, arrays = one_body(shots.sphere(0.25, 3), poses=shots.place((0, 0, 0.5)))
    made = prepare(shot, arrays)
    radius = np.linalg.norm(made.rest_mean - [0, 0, 0.5], axis=1)
    disc = radius > 0.24
    lengths = np.linalg.norm(made.rest_axes[disc], axis=1)
    assert np.allclose(lengths[:, 2], 0.01 * lengths[:, 0])
    facing = np.einsum("nd,nd->n", made.rest_normal[disc], made.rest_mean[disc] - [0, 0, 0.5])
    assert (facing > 0.24).all()
    across = made.rest_axes[disc][:, :, 2] / lengths[:, 2:]
    assert np.allclose(np.einsum("nd,nd->n", made.rest_normal[disc], across), 1, atol=1e-4)
    assert np.array_equal(made.rest_backing != 0, disc)


def test_discs_know_how_thick_what_backs_them_is() -> None:
    """A ball, one with a hole, one whose faces point inwards too, a thin board, and a sheet."""
    ball, torn = shots.sphere(0.25, 3), shots.sphere(0.25, 3)
    torn = (torn[0], torn[1][torn[0][torn[1]].mean(axis=1)[:, 2] < 0.2])
    turned = (torn[0], np.ascontiguousarray(torn[1][:, ::-1]))
    board = (shots.cube(0.6)[0] * np.float32([1, 1, 0.02]), shots.cube(0.6)[1])
    cases = (ball, 0.5), (torn, 0.5), (turned, -0.5), (board, 0.012), (shots.plane(0.5), 0)
    for mesh, thick in cases:
        role = "dynamic" if mesh is ball else "static"
        made = prepare(*one_body(mesh, role=role, poses=shots.place((0, 0, 0.5))))
        found = made.rest_backing * np.linalg.norm(made.rest_axes[:, :, 2], axis=1)
        level = np.abs(made.rest_normal[:, 2]) > 0.9 if mesh is board else found != 0
        assert (thick == 0) == (not level.any())
        if level.any():
            assert level.mean() > 0.75
            assert np.median(found[level]) == pytest.approx(thick, rel=0.1)
            assert (np.abs(found[level] / thick - 1) < 0.5).mean() > 0.9


def test_inner_splats_stay_below_the_surface() -> None:
    looks = s.Looks(inner_color=(0.9, 0.1, 0.1))
    shot, arrays = one_body(shots.sphere(0.25, 4), poses=shots.place((0, 0, 0.5)), looks=looks)
    made = prepare(shot, arrays)
    inner = np.isclose(made.looks.albedo, (0.9, 0.1, 0.1), atol=1e-4).all(axis=1)
    sigma = made.rest_axes[inner, 0, 0]
    radius = np.linalg.norm(made.rest_mean[inner] - [0, 0, 0.5], axis=1)
    assert 100 < inner.sum() < 0.2 * len(inner)
    assert (radius + 2 * sigma < 0.25).all()


def test_sand_splats_are_many_shades_of_its_colour() -> None:
    shot, arrays = one_body(
        poses=shots.place((0, 0, 0.5)), material=materials.Sand(), color=(0.6, 0.4, 0.2)
    )
    made = prepare(shot, arrays)
    assert made.looks.albedo.mean(axis=0) == pytest.approx([0.6, 0.4, 0.2], rel=0.06)
    assert 0.1 < (made.looks.albedo / made.looks.albedo.mean(axis=0)).std() < 0.4
    local = made.rest_mean - np.float32([0, 0, 0.5])
    assert (np.abs(winding_number(local, *shots.cube())) > 0.5).all()


def test_only_what_flows_has_round_splats_and_only_sand_is_of_many_shades() -> None:
    for law in get_args(materials.Material):
        shot, arrays = one_body(
            poses=shots.place((0, 0, 0.5)), material=law(), color=(0.6, 0.4, 0.2)
        )
        made = prepare(shot, arrays)
        flows = law in get_args(materials.Flowing)
        assert made.round.all() == flows == made.round.any()
        varied = made.looks.albedo.std(axis=0).max() > 0.02
        assert varied == (law is materials.Sand)


def test_stiff_and_thick_bodies_are_told_of_and_then_refused() -> None:
    def made(material: materials.Material) -> tuple[str, ...]:
        return prepare(*one_body(poses=shots.place((0, 0, 0.5)), material=material)).warnings

    assert not made(materials.Rubber())
    stiff = made(materials.Elastic(young_modulus=1e10))
    assert any("Thing: takes about" in text and "Lower its Young's" in text for text in stiff)
    thick = made(materials.Water(viscosity=1e6))
    assert any("Lower its viscosity" in text for text in thick)
    with pytest.raises(
        ShotError, match="Thing: expected at most 400,000 time steps a frame"
    ) as refused:
        made(materials.Metal(young_modulus=1e15, yield_stress=1e12))
    assert "Young's modulus" in refused.value.remedy
    with pytest.raises(ShotError, match="Thing: expected at most"):
        made(materials.Water(bulk_modulus=1e16))


def test_same_seed_same_splats() -> None:
    shot, arrays = shots.three_materials()
    first, second = prepare(shot, arrays), prepare(shot, arrays)
    other = prepare(shots.changed(shot, seed=5), arrays)
    assert np.array_equal(first.rest_mean, second.rest_mean)
    assert np.array_equal(first.looks.albedo, second.looks.albedo)
    assert np.array_equal(first.matter.particles.position, second.matter.particles.position)
    assert not np.array_equal(first.rest_mean[:50], other.rest_mean[:50])


def test_colliders_know_their_inside() -> None:
    shot, arrays = shots.three_materials()
    matter = prepare(shot, arrays).matter
    ball, floor = matter.colliders
    assert [shot.bodies[i].name for i in matter.collider_bodies] == ["Ball", "Floor"]
    assert ball.distance.min() == pytest.approx(
        -0.15, abs=0.9 * ball.spacing
    )  # half a cell's diagonal
    # the floor is a sheet: solid behind its front, and no wider than the domain needs
    z = floor.origin[2] + floor.spacing * np.arange(floor.distance.shape[2])
    middle = floor.distance[floor.distance.shape[0] // 2, floor.distance.shape[1] // 2]
    above = z > 0
    assert np.allclose(middle[above], z[above], atol=1e-5)
    assert (middle[(z < -0.01) & (z > -0.15)] < 0).all()


# --- the domain


def test_domain_spacing_follows_the_resolution() -> None:
    shot, arrays = one_body(poses=shots.place((0, 0, 0.5)))
    domain = prepare(shot, arrays).domain
    assert domain is not None
    assert domain.spacing == pytest.approx(2 / 24)
    assert domain.shape == (24, 24, 24)
    assert domain.walls == "slip"


def test_automatic_domain_reaches_the_ground_and_not_the_frames() -> None:
    shot, arrays = one_body(poses=shots.place((0, 0, 3)), velocity=(0.5, 0, 0))
    shot = shots.changed(shot, simulation=OPEN_AIR)
    domain = prepare(shot, arrays).domain
    assert domain is not None
    low = np.array(domain.origin)
    high = low + np.array(domain.shape) * domain.spacing
    assert low == pytest.approx([-0.4, -0.4, 0.0], abs=1e-6)
    assert high[0] >= 0.2 + 0.2 + 0.5 - 1e-6
    assert high[2] >= 3.2
    assert domain.walls == "open"
    longer = shots.changed(shot, frames=s.FrameRange(1, 500, 24.0, 1))
    assert estimate(longer, arrays).particles == estimate(shot, arrays).particles


def test_nothing_dynamic_needs_no_domain() -> None:
    arrays = ArraySet()
    made = prepare(
        shots.shot(arrays, [shots.body(arrays, "Floor", shots.plane(), role="static")]), arrays
    )
    assert made.domain is None
    assert len(made.tracer_splat) == 0
    assert len(prepare(shots.shot(arrays, []), arrays).rest_mean) == 0


# --- what bad input gets


def test_body_outside_the_domain_is_named() -> None:
    shot, arrays = one_body(poses=shots.place((5, 0, 0.5)))
    with pytest.raises(ShotError, match=r"Thing: expected inside the domain .*got \(4\.8"):
        prepare(shot, arrays)


def test_domain_without_size_is_named() -> None:
    shot, arrays = one_body()
    flat = s.SimulationSettings(domain=s.Box((0, 0, 0), (1, 1, 0)))
    with pytest.raises(ShotError, match="Domain: expected a size above zero"):
        prepare(shots.changed(shot, simulation=flat), arrays)


@pytest.mark.parametrize(
    ("flatten", "sentence"),
    [((1, 1, 0), "closed mesh with a volume"), ((0, 0, 0), "faces with an area")],
)
def test_mesh_without_volume_is_named(flatten: tuple[int, ...], sentence: str) -> None:
    vertices, triangles = shots.cube()
    shot, arrays = one_body((vertices * np.float32(flatten), triangles))
    with pytest.raises(ShotError, match=f"Thing, mesh: expected .*{sentence}"):
        prepare(shot, arrays)


def test_open_mesh_is_given_thickness_and_said() -> None:
    shot, arrays = one_body(shots.plane(1.0), poses=shots.place((0, 0, 0.5)), thickness=0.2)
    made = prepare(shot, arrays)
    assert any("Thing: its mesh is open" in text and "0.2 m" in text for text in made.warnings)
    height = made.matter.particles.position[:, 2]
    assert height.min() == pytest.approx(0.4, abs=0.03)
    assert height.max() == pytest.approx(0.6, abs=0.03)


def test_tiny_body_is_sampled_finely_and_said() -> None:
    shot, arrays = one_body(shots.cube(0.05), poses=shots.place((0, 0, 0.5)))
    made = prepare(shot, arrays)
    assert len(made.matter.particles.volume) >= 27
    assert any("Thing: only about 0.6 grid cells" in text for text in made.warnings)


def test_a_billion_particles_are_refused_before_they_are_made() -> None:
    shot, arrays = one_body(shots.cube(1.6), poses=shots.place((0, 0, 0.85)))
    settings = s.SimulationSettings(
        resolution=1000, particles_per_cell=8, domain=s.Box((-1, -1, 0), (1, 1, 2))
    )
    shot = shots.changed(shot, simulation=settings)
    assert estimate(shot, arrays).particles == pytest.approx(4.1e9, rel=0.01)
    with pytest.raises(MemoryShortError, match=r"4,096,000,\d+ particles .* GiB.*resolution"):
        prepare(shot, arrays)


def test_too_many_splats_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    shot, arrays = one_body(poses=shots.place((0, 0, 0.5)))
    shot = shots.changed(shot, render=s.RenderSettings(splats=20_000_000))
    small = psutil.virtual_memory()._replace(available=1 << 30)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: small)
    with pytest.raises(MemoryShortError, match="number of splats"):
        prepare(shot, arrays)


def test_estimate_is_near_what_is_made() -> None:
    shot, arrays = shots.three_materials()
    foretold, made = estimate(shot, arrays), prepare(shot, arrays)
    assert foretold.particles == pytest.approx(len(made.matter.particles.volume), rel=0.1)
    assert foretold.splats == pytest.approx(len(made.rest_mean), rel=0.1)


def test_sides_that_no_frame_shows_get_few_splats() -> None:
    arrays = ArraySet()
    box = shots.body(arrays, "Box", shots.cube(1.0), role="static", poses=shots.place((0, 0, 0.5)))
    made = prepare(shots.shot(arrays, [box]), arrays)  # seen from -y and above
    local = made.rest_mean
    front, back = local[:, 1] < -0.499, local[:, 1] > 0.499
    assert len(local) == pytest.approx(3000, rel=0.02)
    assert front.sum() / back.sum() == pytest.approx(8, rel=0.3)
    assert (np.linalg.norm(made.rest_axes[back, :, 0], axis=1).mean()
            > 2 * np.linalg.norm(made.rest_axes[front, :, 0], axis=1).mean())  # fmt: skip


def test_another_camera_leaves_the_tracers() -> None:
    shot, arrays = shots.falling_cube()
    pose = np.broadcast_to(shots.look_at((3, 0, 2), (0, 0, 0)), (4, 4, 4))
    camera = s.CameraTrack(arrays.add(pose), shot.camera.intrinsics)
    first = prepare(shot, arrays)
    second = prepare(shots.changed(shot, camera=camera), arrays)
    assert np.array_equal(first.tracers.position, second.tracers.position)


def test_thin_walls_are_resolved() -> None:
    arrays = ArraySet()
    vertices, triangles = shots.cube(1.0)
    thin = (vertices * np.float32([1, 1, 0.04]), triangles)
    bodies = [
        shots.body(arrays, "Cube", shots.cube(0.3), poses=shots.place((0, 0, 1))),
        shots.body(arrays, "Lid", thin, role="kinematic", poses=np.tile(np.eye(4), (4, 1, 1))),
    ]
    (lid,) = prepare(shots.shot(arrays, bodies), arrays).matter.colliders
    assert lid.distance.min() < -0.01
