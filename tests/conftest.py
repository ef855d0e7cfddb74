"""Start Taichi once for the whole test session, on the CPU."""

import importlib.util
import warnings

import pytest

HAS_TAICHI = importlib.util.find_spec("taichi") is not None

if HAS_TAICHI:
    with warnings.catch_warnings():
        # Taichi's own import uses what newer Pythons deprecate; our warnings stay errors.
        warnings.simplefilter("ignore")
        import taichi as ti


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("filterwarnings", r"ignore::DeprecationWarning:taichi(\..*)?")


@pytest.fixture(scope="session", autouse=True)
def taichi_cpu() -> None:
    """Initialise Taichi where it is installed; tests that need none of it run without."""
    if HAS_TAICHI:
        ti.init(arch=ti.cpu, random_seed=0, offline_cache=True, log_level=ti.WARN)
