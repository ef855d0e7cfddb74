"""PhysGaussian's configurations: keys, materials against its own return maps, conditions."""

import json
from pathlib import Path

import numpy as np
import pytest

from impetus.backend.contract import forces as f
from impetus.backend.contract import materials as m
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.material_check import check_material
from impetus.backend.contract.physgaussian.acts import Acts
from impetus.backend.contract.physgaussian.config import config_of, read_config
from impetus.backend.contract.physgaussian.convert import convert, courant
from impetus.backend.contract.physgaussian.matter import material_of
from impetus.backend.contract.physgaussian.scenes import scenes
from impetus.backend.contract.shot import Box, FrameRange

FRAMES = FrameRange(1, 51, 25.0, 1)
CUBE = np.array([[x, y, z] for x in (0.5, 1.0, 1.5) for y in (0.5, 1.5) for z in (0.5, 1.5)])


def config(**keys: object):
    return config_of(keys, "test")[0]


def acts(
    *conditions: dict, particles: tuple[int, ...] = (), **keys: object
) -> tuple[Acts, ArraySet]:
    imported = convert(config(boundary_conditions=list(conditions), frame_dt=0.04, **keys))
    arrays = ArraySet()
    return Acts(imported, "Body", CUBE, FRAMES, arrays, particles=particles), arrays


# --- keys


def test_both_spellings_are_read_and_unknown_keys_are_told(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    keys = {
        "material": "jelly", "E": 2e6, "pic_damping": 0.1, "wobble": 3, "init_azimuthm": 30,
        "particle_filling": {"n_grid": 200, "max_partciels_per_cell": 4},
    }  # fmt: skip
    path.write_text(json.dumps(keys))
    found, told = read_config(path)
    assert found.E == 2e6
    assert found.particle_filling is not None
    assert found.particle_filling.max_particles_per_cell == 4
    assert any("wobble: not a key that is known" in line for line in told)
    assert any("pic_damping: PhysGaussian reads it and never uses it" in line for line in told)
    assert any("init_azimuth" in line and "camera" in line for line in told)
    other, none = config_of({"particle_filling": {"max_particles_per_cell": 4}}, "test")
    assert other.particle_filling.max_particles_per_cell == 4
    assert none == ()
    both = {"max_particles_per_cell": 2, "max_partciels_per_cell": 3}
    found, told = config_of({"particle_filling": both}, "test")
    assert found.particle_filling.max_particles_per_cell == 3
    assert "both spellings" in told[0]


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({"nu": 0.7}, "expected a number of at least 0 and at most 0.5, got 0.7"),
        ({"material": "cheese"}, "cheese"),
        ({"boundary_conditions": [{"type": "wormhole"}]}, "wormhole"),
        ({"boundary_conditions": [{"type": "cuboid", "point": [1, 1, 1]}]}, "size"),
        ({"frame_num": 0}, "expected a whole number .*, got 0"),
    ],
)
def test_what_is_wrong_is_named(keys: dict, what: str) -> None:
    with pytest.raises(ShotError, match=f"test.*: .*{what}"):
        config_of(keys, "test")


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(ShotError, match="expected an object of keys, got list"):
        read_config(tmp_path / "a.json")
    with pytest.raises(ShotError, match="expected a JSON configuration"):
        read_config(tmp_path / "none.json")


# --- materials


def tension_at_yield(tau_y: float) -> float:
    """Stress of a bar whose deviator has PhysGaussian's norm tau_Y: |diag(2, -1, -1) / 3| s."""
    return tau_y / np.linalg.norm(np.array([2, -1, -1]) / 3)


def test_metal_yields_and_hardens_as_there() -> None:
    found = material_of(config(material="metal", E=1e5, nu=0.3, yield_stress=100, xi=0.2,
                               hardening=1))[0]  # fmt: skip
    assert isinstance(found, m.Metal)
    assert found.yield_stress == pytest.approx(tension_at_yield(100))
    # theirs: tau_Y grows by 2 mu xi |d eps_p|; a bar's plastic strain a has |eps_p| = a sqrt(3/2)
    mu, strain = 1e5 / 2.6, 0.01
    grown = 100 + 2 * mu * 0.2 * strain * np.linalg.norm([1, -0.5, -0.5])
    ours = found.yield_stress + found.hardening_modulus * strain
    assert ours == pytest.approx(tension_at_yield(grown))


def test_plasticine_tears_where_its_strength_is_used_up() -> None:
    found = material_of(config(material="plasticine", E=1e6, yield_stress=100, softening=200))[0]
    assert isinstance(found, m.Plasticine)
    assert found.yield_stress == pytest.approx(tension_at_yield(100))
    left = 100 - 200 * found.tear_strain * np.linalg.norm([1, -0.5, -0.5])
    assert left == pytest.approx(0, abs=1e-9)
    _, told = material_of(config(material="plasticine", E=1e6, yield_stress=1e3))
    assert any("never tears" in line for line in told)


def test_foam_flows_as_there_in_simple_shear() -> None:
    """|s| = sqrt(2/3) tau_Y + eta |D|, with |s| = sqrt 2 tau and |D| = rate / sqrt 2."""
    found = material_of(config(material="foam", yield_stress=60, plastic_viscosity=10))[0]
    assert isinstance(found, m.Cream)
    for rate in (0.0, 1.0, 30.0):
        theirs = ((2 / 3) ** 0.5 * 60 + 10 * rate / 2**0.5) / 2**0.5
        ours = found.yield_stress / 3**0.5 + found.consistency * rate**found.flow_index
        assert ours == pytest.approx(theirs)


def test_liquid_has_the_same_pressure() -> None:
    found = material_of(config(material="fluid", bulk_modulus=2e5, density=1000))[0]
    assert isinstance(found, m.Water)
    for j in (0.8, 0.95, 1.0):
        ours = found.bulk_modulus / found.gamma * (j**-found.gamma - 1)
        assert ours == pytest.approx(2e5 * (j**-1.1 - 1))


def test_the_rest_and_what_is_missing() -> None:
    sand = material_of(config(material="sand", friction_angle=30))[0]
    assert isinstance(sand, m.Sand)
    assert sand.friction_angle == pytest.approx(np.pi / 6)
    assert "no law for it" in material_of(config(material="snow"))[1][0]
    jelly, told = material_of(config(nu=0.5))
    assert jelly.poisson_ratio == 0.49
    assert "0.49 is used" in told[0]
    with pytest.raises(ShotError, match="nothing holds together"):
        material_of(config(material="metal"))


# --- scenes


@pytest.mark.parametrize(
    ("key", "number"),
    [("ficus", 0.37), ("wolf", 0.37), ("vasedeck", 0.11), ("plane", 0.07), ("tear_bread", 0.03),
     ("pillow2sofa", 0.013)],
)  # fmt: skip
def test_published_scenes_have_their_courant_numbers(key: str, number: float) -> None:
    scene = scenes()[key]
    imported = scene.imported
    assert courant(scene.config, imported.material) == pytest.approx(number, rel=0.12)
    check_material(key, imported.material)
    assert scene.forcing
    assert ("g" in scene.untold) == (not isinstance(scene.config.g, tuple))
    assert imported.simulation.resolution == scene.config.n_grid
    assert len(scenes()) == 6


def test_a_step_that_is_too_long_is_told() -> None:
    """The crash that its users report: E = 2e9 on the ficus is a Courant number of 12 and more."""
    ficus = scenes()["ficus"].config
    stiff = config(E=2e9, nu=ficus.nu, density=ficus.density, n_grid=ficus.n_grid)
    assert any("blows up" in line for line in convert(stiff).differences)


def test_damping_of_the_grid_is_a_drag() -> None:
    imported = convert(scenes()["ficus"].config)
    assert imported.drag == pytest.approx(1.0, rel=1e-3)
    assert imported.config.grid_v_damping_scale ** (1 / imported.config.substep_dt) == (
        pytest.approx(np.exp(-imported.drag))
    )
    found, arrays = acts(grid_v_damping_scale=0.9999)
    (drag,) = found.forces
    assert isinstance(drag, f.Drag)
    assert drag.linear == pytest.approx(1.0, rel=1e-3)
    assert not arrays.of(drag.strength).any()


# --- the cube


def test_an_object_is_turned_cut_and_set_into_the_cube() -> None:
    keys = {"rotation_degree": [90.0, 90.0], "rotation_axis": [0, 2], "scale": 0.5}
    placement = convert(config(**keys)).placement
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 4]], float)
    matrix = placement.matrix(points)
    there = points @ matrix[:3, :3].T + matrix[:3, 3]
    np.testing.assert_allclose((there.min(0) + there.max(0)) / 2, 1.0)
    assert np.ptp(there, axis=0).max() == pytest.approx(0.5)
    # z goes to -y by the first, then to x by the second
    np.testing.assert_allclose((there[3] - there[0]) / 0.5, (1, 0, 0), atol=1e-12)
    cut = convert(config(sim_area=[0, 1, 0, 1, 0, 1], scale=1.0)).placement
    matrix = cut.matrix(np.concatenate([points / 4, [[9, 9, 9]]]))
    assert matrix[0, 0] == pytest.approx(1.0)


def test_walls_stand_three_cells_inside_of_the_cube() -> None:
    box = {"type": "bounding_box"}
    found = convert(config(n_grid=50, boundary_conditions=[box])).simulation
    assert found.walls == "slip"
    low, high = 3 * 0.04, 2 - 3 * 0.04
    np.testing.assert_allclose([found.domain.low, found.domain.high], [(low,) * 3, (high,) * 3])
    assert (high - low) / found.resolution == pytest.approx(0.04)
    bare = convert(config(n_grid=50))
    assert (bare.simulation.walls, bare.simulation.domain) == ("open", Box((0,) * 3, (2.0,) * 3))
    assert any("where PhysGaussian stops" in line for line in bare.differences)


def test_gravity_as_one_number_points_down() -> None:
    assert convert(config(g=[0, 0, -5.0])).gravity == (0, 0, -5)
    scalar = convert(config())
    assert scalar.gravity == (0, 0, -9.8)
    assert any("where PhysGaussian needs three" in line for line in scalar.differences)


# --- conditions


def test_a_box_that_moves_carries_what_starts_in_it() -> None:
    slab = {"type": "enforce_particle_translation", "point": [0.5, 1, 1], "size": [0.1, 1, 1],
            "velocity": [0, 0.2, 0], "start_time": 0.4, "end_time": 1.2}  # fmt: skip
    found, arrays = acts(slab)
    (pin,) = found.forces
    assert isinstance(pin, f.Pin)
    assert pin.window == f.Window(11.0, 31.0)
    assert arrays.of(pin.group.weights).tolist() == [1] * 4 + [0] * 8
    poses = arrays.of(pin.motion)
    assert len(poses) == FRAMES.tracked_count
    along = poses[:, 1, 3]
    np.testing.assert_allclose(along[[0, 10, 20, 30, 50]], [0, 0, 0.08, 0.16, 0.16], atol=1e-9)
    assert not found.differences


def test_a_box_that_stands_pins_for_ever() -> None:
    pot = {"type": "cuboid", "point": [1, 1, 0.5], "size": [1, 1, 0.1], "reset": 1}
    found, _ = acts(pot)
    (pin,) = found.forces
    assert (pin.motion, pin.window) == (None, f.Window(1.0, None))
    assert any("enters it later" in line for line in found.differences)
    assert any("stops the whole grid" in line for line in found.differences)
    nowhere = pot | {"point": [9, 9, 9]}
    with pytest.raises(ShotError, match="expected some of Body in its region"):
        acts(nowhere)


def test_a_turn_is_left_handed_about_its_normal() -> None:
    turn = {"type": "enforce_particle_velocity_rotation", "point": [1, 1, 1], "normal": [0, 0, 2],
            "half_height_and_radius": [0.6, 0.8], "rotation_scale": 1.0,
            "translation_scale": 0.1}  # fmt: skip
    found, arrays = acts(turn)
    (pin,) = found.forces
    assert arrays.of(pin.group.weights).sum() == 12  # corners lie within sqrt(0.5) of the axis
    pose = arrays.of(pin.motion)[25]  # a second later
    there = pose[:3, :3] @ [2, 1, 1] + pose[:3, 3]
    np.testing.assert_allclose(there, [1 + np.cos(1), 1 - np.sin(1), 1.1], atol=1e-12)


def test_an_impulse_counts_its_particles() -> None:
    blow = {"type": "particle_impulse", "force": [-0.18, 0, 0], "num_dt": 2, "start_time": 0.4}
    found, _ = acts(blow, particles=(1000,), substep_dt=1e-4)
    (impulse,) = found.forces
    assert impulse.linear == pytest.approx((-0.18 * 1000 * 2e-4, 0, 0))
    assert (impulse.frame, impulse.group) == (11.0, None)
    found, _ = acts(blow)
    assert not found.forces
    assert any("left out" in line for line in found.differences)


def test_sand_is_let_go_along_its_axis() -> None:
    release = {"type": "release_particles_sequentially", "normal": 2, "start_position": 1.6,
               "end_position": 0.4, "start_time": 0, "end_time": 1.5}  # fmt: skip
    found, _ = acts(release)
    assert found.forces[0] == f.Release("Body, SequentialRelease 1", "Body", 1.0, 38.5, (0, 0, -1))


def test_a_floor_does_as_it_says_not_as_it_did() -> None:
    floor = {"type": "surface_collider", "point": [1, 1, 0.2], "normal": [0, 0, 3],
             "surface": "slip", "friction": 0.0}  # fmt: skip
    found, _ = acts(floor)
    assert found.ground is not None
    assert (found.ground.height, found.ground.contact.boundary) == (0.2, "slip")
    assert any("so it sticks there" in line for line in found.differences)
    wall, cut = floor | {"normal": [1, 0, 0]}, floor | {"surface": "cut"}
    found, _ = acts(wall, cut)
    assert found.ground is None
    assert any("add a static plane" in line for line in found.differences)
    assert any("trick of one scene" in line for line in found.differences)
