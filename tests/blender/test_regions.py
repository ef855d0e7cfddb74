"""Regions of one object: painted weights that scale its matter, in the shot as they were set."""

import bpy
import numpy as np
import pytest

from impetus.backend.contract.errors import ShotError

from .test_acts import add_act, cube, export, told  # noqa: F401

pytestmark = pytest.mark.blender


def paint(ob, domain, kind="FLOAT_COLOR"):
    """Paint the corners of the upper four vertices white, those below a grey of 0.25, linear."""
    colors = ob.data.color_attributes.new("Painted", kind, domain)
    upper = np.array([v.co.z > 0 for v in ob.data.vertices])
    if domain == "CORNER":
        upper = upper[[loop.vertex_index for loop in ob.data.loops]]
    for each, is_upper in zip(colors.data, upper, strict=True):
        each.color = (1, 1, 1, 1) if is_upper else (0.25, 0.25, 0.25, 1)


def test_a_vertex_group_scales_stiffness_and_a_colour_density(scene, cube):  # noqa: F811
    physics = cube.impetus
    physics.stiffness_scale.group, physics.stiffness_scale.high = "Top", 4.0
    physics.density_scale.group, physics.density_scale.low = "Painted", 0.5
    paint(cube, "CORNER")
    exported = export(scene)
    (body,) = exported.shot.bodies
    upper = exported.arrays.of(body.mesh.vertices)[:, 2] > 0
    scale = body.stiffness_scale
    assert (scale.group.name, scale.low, scale.high) == ("Top", 1.0, 4.0)
    weights = exported.arrays.of(scale.group.weights)
    np.testing.assert_allclose(weights, np.where(upper, 0.75, 0.0))
    weights = exported.arrays.of(body.density_scale.group.weights)
    np.testing.assert_allclose(weights, np.where(upper, 1.0, 0.25), atol=1e-6)
    physics.material = "RIGID"  # it has no stiffness to scale
    (body,) = export(scene).shot.bodies
    assert body.stiffness_scale is None
    assert body.density_scale is not None
    physics.role = "STATIC"
    assert export(scene).shot.bodies[0].density_scale is None


def test_a_pin_may_follow_a_colour(scene, cube):  # noqa: F811
    paint(cube, "POINT")
    add_act(cube, "PIN", vertex_group="Painted")
    assert told(scene) == []
    exported = export(scene)
    (pin,) = exported.shot.forces
    assert sorted(exported.arrays.of(pin.group.weights)) == pytest.approx([0.25] * 4 + [1.0] * 4)


def test_weights_that_are_not_there_are_told_before_and_refused(scene, cube):  # noqa: F811
    from blender_addon.regions.properties import weight_names

    paint(cube, "POINT")
    assert weight_names(cube) == ["Top", "Painted"]
    cube.impetus.density_scale.group = "Gone"
    assert told(scene) == [("Cube", "Regions of density: it has no vertex group or colours Gone")]
    with pytest.raises(ShotError, match="regions of density: expected a vertex group or colour"):
        export(scene)


def test_the_estimate_sees_the_stiffest_region(scene, cube):  # noqa: F811
    from blender_addon.outlook.reading import Measures, standings

    cube.impetus.stiffness_scale.group, cube.impetus.stiffness_scale.low = "Top", 9.0
    bpy.context.view_layer.update()
    (standing,) = [
        each for each in standings(scene, scene.view_layers[0], Measures()) if each.is_dynamic
    ]
    assert standing.material.young_modulus == pytest.approx(9 * cube.impetus.young_modulus)
