"""Gas against what theory says of it: decay, divergence, cooling, burning, obstacles, light."""

import numpy as np
import pytest

from impetus.kernels.fluids.air import Air
from impetus.kernels.fluids.gas import AMBIENT, Emission, Gas, GasSettings, cooled
from impetus.kernels.fluids.grid import FluidDomain
from impetus.kernels.fluids.light import light_left

DOWN = (0.0, 0.0, -9.81)


def box(*shape: int, opened: bool = False) -> FluidDomain:
    sides = (opened,) * len(shape)
    return FluidDomain(shape, 1 / shape[0], (0.0,) * len(shape), sides, sides)


def taylor_green(shape: tuple[int, ...]) -> np.ndarray:
    """The swirl (sin cos, -cos sin) of pi x, pi y on the faces, the same at all z."""
    n = shape[0]
    grid = np.meshgrid(*[np.arange(m + 1) / n for m in shape], indexing="ij")
    velocity = np.zeros((*(m + 1 for m in shape), len(shape)), np.float32)
    velocity[..., 0] = np.sin(np.pi * grid[0]) * np.cos(np.pi * (grid[1] + 0.5 / n))
    velocity[..., 1] = -np.cos(np.pi * (grid[0] + 0.5 / n)) * np.sin(np.pi * grid[1])
    return velocity


def spot(shape: tuple[int, ...], low: tuple[int, ...], high: tuple[int, ...]) -> np.ndarray:
    cover = np.zeros(shape, np.float32)
    cover[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = 1
    return cover


@pytest.mark.parametrize("shape", [(24, 24), (12, 12, 3)])
def test_a_taylor_green_vortex_decays_as_theory_says(shape: tuple[int, ...]) -> None:
    """u = u0 exp(-2 nu pi^2 t): energy falls with twice that rate."""
    viscosity, seconds = 0.02, 0.6
    gas = Gas(box(*shape), GasSettings(viscosity=viscosity))
    start = taylor_green(shape)
    gas.restore(gas.state() | {"velocity": start})
    for _ in range(6):
        gas.advance(seconds / 6, (0.0,) * len(shape))
    inside = (slice(1, -1), slice(1, -1), *[slice(0, -1)] * (len(shape) - 2), slice(0, 2))
    found = np.sqrt((gas.velocity()[inside] ** 2).sum() / (start[inside] ** 2).sum())
    assert found == pytest.approx(np.exp(-2 * viscosity * np.pi**2 * seconds), rel=0.05)


@pytest.mark.parametrize("shape", [(20, 16), (12, 10, 10)])
def test_hardly_any_divergence_is_left(shape: tuple[int, ...]) -> None:
    n = len(shape)
    solid = np.zeros(shape, bool)
    solid[4:8, 5:8] = True
    gas = Gas(box(*shape, opened=True), GasSettings(vorticity=2.0), solid)
    source = Emission(spot(shape, (3,) * n, (7,) * n), 20.0, 5.0, 300.0, 0.0, (0.5,) * n)
    for _ in range(3):
        gas.advance(0.05, (*(0.0,) * (n - 1), -9.81), [source])
        assert np.abs(gas.divergence()).max() < 1e-4 * np.abs(gas.velocity()).max()
    assert np.abs(gas.velocity()).max() > 0.1


def test_warm_gas_starts_to_rise_as_boussinesq_says() -> None:
    """A slab cannot rise in a closed box; in an open shaft all of it does, with g T / T0."""
    shape = (4, 4, 10)
    domain = FluidDomain(shape, 0.1, (0.0,) * 3, (False,) * 3, (False, False, True))
    shaft = FluidDomain(shape, 0.1, (0.0,) * 3, (False, False, True), (False, False, True))
    for where, wanted in ((domain, 0.0), (shaft, 0.02 * 9.81 * 30 / AMBIENT)):
        gas = Gas(where, GasSettings())
        gas.restore(gas.state() | {"heat": np.full(shape, 30, np.float32)})
        gas.advance(0.02, DOWN)
        np.testing.assert_allclose(gas.velocity()[1, 1, :, 2], wanted, atol=1e-3 * 0.02)


def test_heat_is_lost_by_both_laws() -> None:
    heat = np.array([1500.0, 600.0, 5.0, -20.0], np.float32)
    exact = 1500 * (1 + 3 * 2.0 * 0.3) ** (-1 / 3)
    found = cooled(heat, GasSettings(radiating=2.0, flame=1500.0), 0.3)
    assert found[0] == pytest.approx(exact, rel=1e-5)
    assert found[3] == -20
    steps = heat
    for _ in range(10):
        steps = cooled(steps, GasSettings(radiating=2.0, flame=1500.0), 0.03)
    np.testing.assert_allclose(steps, found, rtol=1e-4)
    found = cooled(heat, GasSettings(cooling=0.5), 2.0)
    np.testing.assert_allclose(found, heat * np.exp(-1), rtol=1e-5)


def test_fuel_becomes_heat_soot_and_volume() -> None:
    shape = (8, 8)
    settings = GasSettings(burning=4.0, flame=1000.0, soot=10.0, soot_color=(0.1, 0.2, 0.3))
    gas = Gas(box(*shape), settings, tinted=True)
    gas.restore(gas.state() | {"fuel": np.full(shape, 0.5, np.float32)})
    gas.advance(0.25, (0.0, 0.0))
    burnt = 0.5 * (1 - np.exp(-1))
    for name, wanted in (("fuel", 0.5 - burnt), ("heat", 1000 * burnt), ("smoke", 10 * burnt),
                         ("green", 2 * burnt)):  # fmt: skip
        np.testing.assert_allclose(gas.read(name), wanted, rtol=1e-4)


def test_burning_gas_swells_by_as_much_as_it_should() -> None:
    shape = (10, 10)
    gas = Gas(box(*shape, opened=True), GasSettings(burning=2.0, swelling=3.0))
    fuel = spot(shape, (4, 4), (6, 6))
    gas.restore(gas.state() | {"fuel": fuel})
    gas.advance(0.01, (0.0, 0.0))
    u = gas.velocity()
    out = u[-1, :-1, 0].sum() - u[0, :-1, 0].sum() + u[:-1, -1, 1].sum() - u[:-1, 0, 1].sum()
    burnt = 4 * (1 - np.exp(-0.02)) / 0.01
    assert out * 0.1 == pytest.approx(3.0 * burnt * 0.1**2, rel=0.01)


def test_emitted_smoke_takes_the_emitters_colour_and_speed() -> None:
    shape = (12, 12)
    gas = Gas(box(*shape, opened=True), GasSettings(), tinted=True)
    cover = spot(shape, (4, 4), (8, 8))
    source = Emission(cover, 30.0, 8.0, 0.0, 0.0, (0.3, 0.0), (0.9, 0.5, 0.1))
    for _ in range(5):
        gas.advance(0.04, (0.0, 0.0), [source])
    smoke = gas.read("smoke")
    assert smoke[5, 5] == pytest.approx(8, rel=0.02)
    thick = smoke > 0.1
    np.testing.assert_allclose(gas.read("red")[thick] / smoke[thick], 0.9, atol=0.02)
    assert gas.velocity()[6, 5, 0] == pytest.approx(0.3, rel=0.2)
    assert smoke[8:].sum() > 1.2 * smoke[:4].sum()


def test_a_moving_wall_pushes_the_air_before_it() -> None:
    """A piston that fills its shaft: the air beyond it moves as fast as it does."""
    shape = (16, 4)
    domain = FluidDomain(shape, 0.1, (0.0, 0.0), (True, False), (True, False))
    gas = Gas(domain, GasSettings())
    gas.restore(gas.state() | {"smoke": np.ones(shape, np.float32)})

    def piston(share: float) -> tuple[np.ndarray, np.ndarray]:
        solid = np.zeros(shape, bool)
        solid[4:6] = True
        return solid, np.broadcast_to(np.float32([0.5, 0]), (17, 5, 2))

    gas.advance(0.1, (0.0, 0.0), obstacles=piston)
    np.testing.assert_allclose(gas.velocity()[6:, :-1, 0], 0.5, atol=1e-3)
    assert not gas.read("smoke")[4:6].any()


def test_what_blows_is_asked_for_every_cell() -> None:
    shape = (6, 6, 6)
    gas = Gas(box(*shape, opened=True), GasSettings())
    gas.advance(0.05, (0.0,) * 3, blow=lambda u, share, dt: np.full_like(u, 2.0 * dt))
    np.testing.assert_allclose(gas.velocity()[:-1, :-1, :-1], 0.1, rtol=1e-3)


def test_a_kept_state_goes_on_to_the_bit() -> None:
    def run(stop: int) -> bytes:
        shape = (10, 8, 8)
        settings = GasSettings(vorticity=3.0, burning=3.0, soot=4.0, radiating=1.0, cooling=0.1)
        source = Emission(spot(shape, (4, 3, 1), (6, 5, 3)), 20.0, 3.0, 200.0, 0.8, (0, 0, 0.2))
        gas = Gas(box(*shape, opened=True), settings, tinted=True)
        for k in range(3):
            if k == stop:
                kept = gas.state()
                gas = Gas(box(*shape, opened=True), settings, tinted=True)
                gas.restore(kept)
            gas.advance(0.04, DOWN, [source])
        return b"".join(gas.read(name).tobytes() for name in gas.names)

    assert run(-1) == run(1)


def test_light_fades_as_beer_and_lambert_say() -> None:
    smoke = np.zeros((8, 8, 8), np.float32)
    smoke[:, :, 2:6] = 3.0
    points = np.array([[0.4, 0.4, 0.05], [0.4, 0.4, 0.75], [0.4, 0.4, -1.0], [9.0, 0.4, 0.1]])
    box = {"origin": (0.0, 0.0, 0.0), "spacing": 0.1}
    above = light_left(points, smoke, **box, lamp=(0, 0, 1), parallel=True)
    np.testing.assert_allclose(above, [np.exp(-1.2), 1, np.exp(-1.2), 1], rtol=0.01)
    near = light_left(points, smoke, **box, lamp=(0.4, 0.4, 0.4), parallel=False)
    np.testing.assert_allclose(near, [*[np.exp(-0.6)] * 3, np.exp(-1.2)], rtol=0.03)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match="expected obstacles"):
        Gas(box(8, 8), GasSettings(), np.zeros((8, 9), bool))
    flat = Emission(np.zeros((3, 3), np.float32), 1.0, 1.0, 0.0, 0.0, (0.0, 0.0))
    with pytest.raises(ValueError, match="expected a cover"):
        Gas(box(8, 8), GasSettings()).advance(0.1, (0.0, 0.0), [flat])
    air = Air(box(8, 8), np.zeros((8, 8), bool))
    assert air.solved.iterations == 0
