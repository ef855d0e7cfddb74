from typing import get_args

import msgspec
import numpy as np
import pytest

from impetus.backend.contract import materials
from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import Array, ArraySet, rebuild, refer
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shot_check import check_shot, shot_hash

from . import shots


def with_body(change: dict[str, object]) -> tuple[s.Shot, ArraySet]:
    shot, arrays = shots.falling_cube()
    first = msgspec.structs.replace(shot.bodies[0], **change)
    return shots.changed(shot, bodies=(first, *shot.bodies[1:])), arrays


def test_tiny_shots_are_right() -> None:
    for make in (shots.falling_cube, shots.three_materials):
        check_shot(*make())


def test_json_and_messagepack_give_the_shot_back() -> None:
    shot, _ = shots.three_materials()
    for codec in (msgspec.json, msgspec.msgpack):
        assert codec.decode(codec.encode(shot), type=s.Shot) == shot


def test_hash_sees_every_change() -> None:
    shot, _ = shots.falling_cube()
    assert shot_hash(shot) == shot_hash(shots.falling_cube()[0])
    assert shot_hash(shot) != shot_hash(shots.changed(shot, seed=1))


@pytest.mark.parametrize(
    "material",
    [materials.Elastic(density=float("nan")), materials.Elastic(young_modulus=float("inf"))],
)
def test_numbers_must_be_finite(material: materials.Elastic) -> None:
    with pytest.raises(ShotError, match=r"Cube, material.*finite"):
        check_shot(*with_body({"material": material}))


SENSELESS = {
    "Cube, yield stress.*Lower the yield stress": materials.Metal(yield_stress=1e8),
    "Cube, strength.*never give way": materials.Brittle(strength=1e5, young_modulus=1e4),
    "Cube, material.*make it water": materials.Cream(yield_stress=0.0, consistency=0.0),
    "Cube, tear strain.*0.056.*brittle": materials.Plasticine(tear_strain=0.01),
    "Cube, yield stress.*1e\\+03 Pa": materials.Cream(young_modulus=1000.0, yield_stress=2e3),
}


@pytest.mark.parametrize("sentence", SENSELESS)
def test_a_material_that_cannot_do_what_it_is_for_is_refused(sentence: str) -> None:
    with pytest.raises(ShotError, match=sentence):
        check_shot(*with_body({"material": SENSELESS[sentence]}))


@pytest.mark.parametrize("law", get_args(materials.Material), ids=lambda law: law.__name__)
def test_every_material_is_fine_as_it_comes(law: type[materials.Material]) -> None:
    check_shot(*with_body({"material": law()}))


def replace_array(
    shot: s.Shot, arrays: ArraySet, field: str, array: Array
) -> tuple[s.Shot, ArraySet]:
    ref = arrays.add(array)
    first = shot.bodies[0]
    mesh = {"vertices", "triangles", "normals"}
    changed = (
        msgspec.structs.replace(first, mesh=msgspec.structs.replace(first.mesh, **{field: ref}))
        if field in mesh
        else msgspec.structs.replace(first, **{field: ref})
    )
    return shots.changed(shot, bodies=(changed, *shot.bodies[1:])), arrays


@pytest.mark.parametrize(
    ("field", "array", "words"),
    [
        ("poses", np.full((1, 4, 4), np.nan), "Cube: expected finite numbers"),
        ("poses", np.diag([2.0, 1, 1, 1])[None], "Cube: expected a transform without scale"),
        ("poses", np.diag([-1.0, 1, 1, 1])[None], "Cube: expected a transform without scale"),
        ("poses", np.tile(np.eye(4), (4, 1, 1)), "Cube: expected one pose"),
        ("poses", np.tile(np.eye(4), (3, 1, 1)), "Cube: expected .* for 1 or 4 frames"),
        ("vertices", np.full((8, 3), np.inf, np.float32), "Cube, mesh: expected finite"),
        ("vertices", np.zeros((8, 2), np.float32), "Cube: expected float vertices"),
        ("triangles", np.full((2, 3), 8, np.int32), "vertex outside 0 to 7"),
        ("triangles", np.zeros((0, 3), np.int32), "Cube: expected a mesh with faces"),
    ],
)
def test_bad_bodies_are_named(field: str, array: Array, words: str) -> None:
    with pytest.raises(ShotError, match=words):
        check_shot(*replace_array(*shots.falling_cube(), field, array))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"frames": s.FrameRange(3, 3, 24, 3)},
            "Frame range: expected at least 2 frames, got 3 to 3",
        ),
        ({"frames": s.FrameRange(1, 4, 24, 9)}, "Simulation start"),
        ({"frames": s.FrameRange(1, 5, 24, 1)}, "Camera: expected one pose"),
        (
            {"simulation": s.SimulationSettings(domain=s.Box((0, 0, 0), (1, 0, 1)))},
            "Domain: expected a size",
        ),
        ({"name": "Tiny", "seed": 1}, None),
    ],
)
def test_bad_shots_are_named(change: dict[str, object], words: str | None) -> None:
    shot, arrays = shots.falling_cube()
    if words is None:
        check_shot(shots.changed(shot, **change), arrays)
        return
    with pytest.raises(ShotError, match=words):
        check_shot(shots.changed(shot, **change), arrays)


def test_roles_ask_for_what_they_need() -> None:
    with pytest.raises(ShotError, match="Cube: expected a material"):
        check_shot(*with_body({"material": None}))
    with pytest.raises(ShotError, match="Cube: expected no material"):
        check_shot(*with_body({"role": "static"}))
    with pytest.raises(ShotError, match="Floor: expected one body of this name"):
        check_shot(*with_body({"name": "Floor"}))


def test_missing_array_is_said() -> None:
    shot, _ = shots.falling_cube()
    with pytest.raises(ShotError, match="is not there"):
        check_shot(shot, ArraySet())


def test_image_without_uv_is_said() -> None:
    shot, arrays = shots.falling_cube()
    surface = s.Surface(image=arrays.add(np.zeros((2, 2, 4), np.uint8)))
    first = msgspec.structs.replace(shot.bodies[0], looks=s.Looks(surfaces=(surface,)))
    with pytest.raises(ShotError, match="Cube: expected UV"):
        check_shot(shots.changed(shot, bodies=(first,)), arrays)


@pytest.mark.parametrize("kind", ["u1", "f2", "f4", "f8", "i4", "i8"])
def test_arrays_come_back(kind: str) -> None:
    array = np.arange(24).reshape(2, 3, 4).astype(kind)[:, ::-1]
    ref, laid = refer(array)
    assert (rebuild(ref, laid.tobytes()) == array).all()
    spoiled = bytearray(laid.tobytes())
    spoiled[-1] ^= 1
    with pytest.raises(ShotError, match="sha256"):
        rebuild(ref, spoiled)
    with pytest.raises(ShotError, match="bytes"):
        rebuild(ref, laid.tobytes()[:-1])


def test_shapes_are_part_of_an_arrays_name() -> None:
    flat = np.zeros(6, np.float32)
    assert refer(flat)[0].sha256 != refer(flat.reshape(2, 3))[0].sha256
    with pytest.raises(ShotError, match="dtype"):
        refer(np.array(["a"]))


def camera(**fields: object) -> tuple[s.Shot, ArraySet]:
    shot, arrays = shots.falling_cube()
    given = {k: arrays.add(v) if isinstance(v, np.ndarray) else v for k, v in fields.items()}
    return shots.changed(shot, camera=msgspec.structs.replace(shot.camera, **given)), arrays


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"orthographic": np.ones(3, np.uint8)}, r"0 or 1 for each of 4 frames.*\(3,\)"),
        ({"orthographic": np.ones(4)}, "0 or 1 for each of 4 frames"),
        ({"clip": np.ones((4, 3))}, r"start and end for 4 frames, got \(4, 3\)"),
        ({"clip": np.tile([0.0, 9.0], (4, 1))}, "clip start above zero, got 0 m"),
        ({"clip": np.array([[1, 9], [1, 9], [5, 4], [1, 9.0]])}, "got 4 and 5 m"),
        ({"clip": np.full((4, 2), np.nan)}, "finite"),
    ],
)
def test_cameras_of_every_frame_are_looked_at(fields: dict[str, Array], words: str) -> None:
    with pytest.raises(ShotError, match=words):
        check_shot(*camera(**fields))
    check_shot(*camera(orthographic=np.ones(4, np.uint8), clip=np.tile([0.1, 9.0], (4, 1))))


@pytest.mark.parametrize(
    "fields",
    [{"region": (0, 0, 65, 9)}, {"region": (5, 5, 5, 9)}, {"region": (-1, 0, 5, 9)},
     {"whole": (10, 0, 70, 40)}, {"whole": (0, -1, 99, 99)}],
)  # fmt: skip
def test_a_region_lies_on_its_film(fields: dict[str, tuple[int, int, int, int]]) -> None:
    shot, arrays = shots.falling_cube()
    with pytest.raises(ShotError, match=r"Render region: expected .*Draw it again"):
        check_shot(shots.changed(shot, film=s.Film(64, 36, **fields)), arrays)
    check_shot(shots.changed(shot, film=s.Film(64, 36, (0, 0, 64, 36), (6, 4, 70, 40))), arrays)


def test_only_what_deforms_sticks() -> None:
    shot, arrays = shots.three_materials(frames=(1, 3))
    jelly, *others = shot.bodies
    glued = msgspec.structs.replace(jelly, sticks_to=(others[0].name,))
    check_shot(shots.changed(shot, bodies=(glued, *others)), arrays)
    for wrong in (jelly.name, others[2].name, "Nobody"):
        glued = msgspec.structs.replace(jelly, sticks_to=(wrong,))
        with pytest.raises(ShotError, match="sticks to: expected two dynamic bodies"):
            check_shot(shots.changed(shot, bodies=(glued, *others)), arrays)
