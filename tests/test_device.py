"""The device: found, started once, refused in plain words (each in a process of its own)."""

import subprocess
import sys

import pytest

from impetus.backend.contract.errors import ResourceError
from impetus.backend.stages.device import list_devices, start_device


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=100
    )


def test_processor_is_always_there() -> None:
    devices = list_devices()
    assert devices[0].name == "cpu"
    assert "core" in devices[0].description


def test_start_is_silent_on_standard_output_and_happens_once() -> None:
    code = (
        "from impetus.backend.stages.device import start_device\n"
        "first = start_device('cpu')\n"
        "import taichi\n"
        "program = taichi.lang.impl.get_runtime().prog\n"
        "assert start_device('auto') == first\n"
        "assert taichi.lang.impl.get_runtime().prog is program\n"
        "print(first.name)\n"
    )
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "cpu\n"


def test_missing_device_is_refused_with_what_is_there() -> None:
    missing = next(
        name for name in ("metal", "vulkan", "cuda")
        if name not in [device.name for device in list_devices()]
    )  # fmt: skip
    done = run(
        "from impetus.backend.contract.errors import ResourceError\n"
        "from impetus.backend.stages.device import start_device\n"
        f"try: start_device('{missing}')\n"
        "except ResourceError as error: print(error.sentence)\n"
    )
    assert missing in done.stdout
    assert "cpu" in done.stdout


def test_second_device_in_one_process_is_refused() -> None:
    assert start_device("cpu").name == "cpu"
    with pytest.raises(ResourceError, match="computes on cpu already"):
        start_device("vulkan")
