"""Curves and figures of a take's record, against numbers that are known."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.simulation_record import BodyState, FrameState, SimulationRecord
from impetus.backend.evaluation.inspection.curves import all_together, curves_of
from impetus.backend.evaluation.inspection.inspect import inspect_take

from .test_command import impetus

FPS, G = 25.0, 9.81


def fall(count: int = 6, *, steady: bool = True) -> SimulationRecord:
    """Two kilogram-bodies in free fall, the second of which shrinks and leaves at the end."""
    frames = []
    for n in range(count):
        time = n / FPS
        states = [
            BodyState(
                body, 1.0, (1 - 0.1 * n * (body == 2)) * 1e-3, (0.0, 0.0, -G * time),
                (0.0, 0.0, 0.0), (G * time) ** 2 / 2, 0.0, G * (5 - G * time**2 / 2),
            )
            for body in (0, 2)
        ]  # fmt: skip
        kept = states[:1] if n == count - 1 else states
        box = (0.0, 0.0, 0.0), (1.0, 1.0, 2.0 + (n > 3))
        frames.append(FrameState(n + 1, 10 * n, 1e-3, G * time, 2000, 0, 0.2, tuple(kept), box))
    return SimulationRecord(
        "Fall", FPS, 1, 0.05, ("Cube", "Floor", "Bread"), ("elastic", "", "brittle"), steady,
        tuple(frames),
    )  # fmt: skip


def test_energy_of_a_fall_is_kept() -> None:
    cube, bread = curves_of(fall())
    assert (cube.name, bread.material) == ("Cube", "brittle")
    assert cube.energy is not None
    np.testing.assert_allclose(cube.energy, 0.0, atol=1e-12)
    np.testing.assert_allclose(bread.volume_ratio[:5], [1, 0.9, 0.8, 0.7, 0.6])
    whole = all_together((cube, bread))
    np.testing.assert_allclose(whole.mass, [2, 2, 2, 2, 2, 1])
    np.testing.assert_allclose(whole.momentum[1], [0, 0, -2 * G / FPS])
    assert all(body.energy is None for body in curves_of(fall(steady=False)))
    with pytest.raises(ShotError, match="filled before such records were kept"):
        curves_of(fall(1))


def test_inspect_writes_plot_text_and_numbers(tmp_path: Path) -> None:
    take, out = tmp_path / "take", tmp_path / "out"
    take.mkdir()
    (take / "simulation.json").write_bytes(msgspec.json.encode(fall()))
    text = inspect_take(take, out)
    assert (out / "inspection.txt").read_text("utf-8") == text
    assert "substeps a frame: 10 to 50, median 30" in text
    assert "the domain grew from 1 x 1 x 2 m to 1 x 1 x 3 m" in text
    assert (out / "inspection.png").stat().st_size > 20_000
    numbers = msgspec.json.decode((out / "inspection.json").read_bytes())
    cube, bread = numbers["bodies"]
    assert cube["energy_change"] == pytest.approx(0.0, abs=1e-9)
    assert (bread["least_volume"], bread["mass_left"]) == (pytest.approx(0.6), 0.0)
    assert numbers["particle_steps_per_second"] == pytest.approx(2000 * 150 / 1.2)
    assert msgspec.convert(numbers["record"], SimulationRecord) == fall()


def test_the_command_tells_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "take.json").write_text("{}")
    answer = impetus("inspect", tmp_path, "--out", tmp_path / "out")
    assert answer.returncode == 1
    assert "before such records were kept" in " ".join(answer.stderr.split())
