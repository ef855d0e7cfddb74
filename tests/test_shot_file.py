import zipfile
from pathlib import Path

import numpy as np
import pytest

from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shot_check import check_shot
from impetus.backend.contract.shot_file import read_shot, write_shot

from . import shots


def test_a_shot_file_comes_back(tmp_path: Path) -> None:
    shot, arrays = shots.three_materials()
    write_shot(tmp_path / "a.shot", shot, arrays)
    again, read = read_shot(tmp_path / "a.shot")
    check_shot(again, read)
    assert again == shot
    assert all((read[sha] == arrays[sha]).all() for sha in read)
    assert not list(tmp_path.glob("*.tmp"))


def test_the_same_shot_makes_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_shot(tmp_path / name, *shots.falling_cube())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_anyone_can_read_it(tmp_path: Path) -> None:
    shot, arrays = shots.falling_cube()
    write_shot(tmp_path / "a.shot", shot, arrays)
    with zipfile.ZipFile(tmp_path / "a.shot") as archive:
        sha256 = shot.bodies[0].mesh.vertices.sha256
        with archive.open(f"arrays/{sha256}.npy") as stream:
            assert (np.load(stream) == arrays[sha256]).all()


@pytest.mark.parametrize("damage", ["cut", "noise", "not zip", "absent", "no json"])
def test_damage_gets_one_sentence(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.shot"
    write_shot(path, *shots.falling_cube())
    data = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "noise":
        data[data.index(b"NUMPY") + 200] ^= 255  # in the numbers of the first array
        path.write_bytes(data)
    elif damage == "not zip":
        path.write_text("hello")
    elif damage == "absent":
        path.unlink()
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("other.txt", "hello")
    with pytest.raises(ShotError, match=r"a\.shot"):
        read_shot(path)
