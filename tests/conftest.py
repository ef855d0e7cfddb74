"""Start Taichi once for the whole test session, on the CPU."""

import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def taichi_cpu() -> Iterator[None]:
    """Initialise Taichi when it is installed; tests that need none of it still run without."""
    try:
        with warnings.catch_warnings():
            # Taichi itself uses what newer Pythons deprecate; our warnings stay errors.
            warnings.simplefilter("ignore")
            import taichi as ti
    except ImportError:
        yield
        return
    ti.init(arch=ti.cpu, random_seed=0, offline_cache=True, log_level=ti.WARN)
    yield
