"""build.py: environments made, kept and mended; test runs judged; the extension's zip."""

import dataclasses
import io
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _tools_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))


def load(name: str) -> ModuleType:
    import importlib

    return importlib.import_module(f"tools.{name}")


def run_build(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "build.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


COMMANDS = ("demo", "test", "check", "dev", "extension", "bench")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = run_build(command, "--help")
    assert done.returncode == 0
    assert f"build.py {command}" in done.stdout
    assert re.search(r"\n[A-Z].{20,}\.\n", done.stdout)


def test_a_misspelt_option_is_refused() -> None:
    done = run_build("extension", "--al-platforms")
    assert done.returncode == 2
    assert "--al-platforms" in done.stderr


@pytest.fixture
def empty(tmp_path: Path) -> Any:
    """Return an environment of a project that pins nothing: real, and made without a network."""
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "none.txt").write_text("# nothing\n")
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    environments = load("environments")
    return environments.Environment(
        "empty", (version,), ("none.txt",), disk=1, project=False, root=tmp_path
    )


def test_environment_is_made_once_and_mended_when_it_breaks(
    empty: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    environments, console = load("environments"), load("console").Console()

    def said_while_ensuring() -> str:
        python = environments.ensure(empty, console)
        assert subprocess.run([python, "-c", "pass"], check=False).returncode == 0
        return str(capsys.readouterr().out)

    assert "new environment" in said_while_ensuring()
    assert said_while_ensuring() == ""
    (empty.folder / environments.STAMP).unlink()  # as after an interruption
    assert "not whole" in said_while_ensuring()
    empty.python.unlink()  # as after an upgrade of the system's Python
    assert "not whole" in said_while_ensuring()


def test_a_lost_package_is_noticed(tmp_path: Path) -> None:
    environments = load("environments")
    environment = environments.Environment("any", ("3.11",), (), disk=1, root=tmp_path)
    inside = "Lib" if sys.platform == "win32" else "lib/python3.11"
    package = environment.folder / inside / "site-packages" / "numpy-2.4.6.dist-info"
    package.mkdir(parents=True)
    environment.python.parent.mkdir(exist_ok=True)
    environment.python.touch()
    environments.write_stamp(environment, {"folder": "here"})
    assert environments.whole(environment)
    package.rmdir()
    assert not environments.whole(environment)


def test_changed_pins_are_installed_without_starting_anew(
    empty: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    environments, console = load("environments"), load("console").Console()
    environments.ensure(empty, console)
    marker = empty.folder / "marker"
    marker.touch()
    (empty.root / "requirements" / "none.txt").write_text("# nothing, but said otherwise\n")
    capsys.readouterr()
    environments.ensure(empty, console)
    assert "installing" in capsys.readouterr().out
    assert marker.exists()


def test_what_is_asked_for_alone_comes_with_what_it_needs(
    empty: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pip then finds the build that its settings name, and what that needs beside the pins."""
    environments, console = load("environments"), load("console").Console()
    (empty.root / "requirements" / "torch.txt").write_text("# why\ntorch==2.13.0\n")
    asked: list[list[str]] = []
    monkeypatch.setattr(environments, "run_pip", lambda _, words, __: asked.append(words))
    alone = dataclasses.replace(empty, alone=("torch.txt",))
    environments.ensure(alone, console)
    assert ["install", "--progress-bar=off", "torch==2.13.0"] in asked
    assert environments.recipe(alone) != environments.recipe(empty)


def test_a_full_disk_is_said_before_anything_is_made(empty: Any) -> None:
    environments, console = load("environments"), load("console")
    huge = dataclasses.replace(empty, disk=10**18)
    with pytest.raises(console.BuildError, match=r"needs about 1000000000\.0 GB .* are free"):
        environments.ensure(huge, console.Console(io.StringIO()))
    assert not huge.folder.exists()


def test_an_absent_python_is_named(empty: Any) -> None:
    environments, console = load("environments"), load("console")
    future = dataclasses.replace(empty, pythons=("3.99",))
    with pytest.raises(console.BuildError, match=r"needs Python 3\.99"):
        environments.ensure(future, console.Console(io.StringIO()))


def test_an_unreachable_index_is_named(empty: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    environments, console = load("environments"), load("console")
    (empty.root / "requirements" / "none.txt").write_text("impetus-does-not-exist==1.0\n")
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    with pytest.raises(console.BuildError, match="index cannot be reached"):
        environments.ensure(empty, console.Console(io.StringIO()))
    assert environments.stamp_of(empty) is None


REPORT = """<testsuite>
<testcase name="a"/><testcase name="b"><failure/></testcase><testcase name="c"><error/></testcase>
<testcase name="d"><skipped type="pytest.skip" message="{reason}"/></testcase>
<testcase name="e"><skipped type="pytest.xfail" message="known"/></testcase></testsuite>"""


def counted(reason: str, status: int = 1) -> Any:
    testing = load("testing")
    run = testing.Run("backend", status, 1.0)
    testing.count(run, ElementTree.fromstring(REPORT.format(reason=reason)))
    return run


def test_counts_come_from_the_report() -> None:
    run = counted("needs a GPU")
    kinds = ("tests", "passed", "failed", "skipped", "expected to fail")
    assert [run.counts[kind] for kind in kinds] == [5, 1, 2, 1, 1]


@pytest.mark.parametrize(
    ("reason", "good"), [("needs a GPU", True), ("no window here", True), ("too slow", False)]
)
def test_only_what_lacks_a_gpu_or_a_window_is_skipped(reason: str, good: bool) -> None:
    assert counted(reason, status=0).passed() is good


@pytest.mark.parametrize("status", [1, 2, 5, -11])
def test_a_run_that_did_not_end_well_fails_the_whole(status: int) -> None:
    testing, stream = load("testing"), io.StringIO()
    good, bad = testing.Run("one", 0, 1.0), testing.Run("two", status, 1.0)
    good.counts.update(tests=3, passed=3)
    assert testing.summarise([good], load("console").Console(io.StringIO()))
    assert not testing.summarise([good, bad], load("console").Console(stream))
    assert stream.getvalue().splitlines()[-1].startswith("tests FAILED: 3 passed")


def test_links_for_type_checkers_follow_the_folders(tmp_path: Path) -> None:
    checking = load("checking")
    for name in checking.PACKAGES:
        (tmp_path / name).mkdir()
    for _ in range(2):
        checking.link_packages(tmp_path)
        links = [tmp_path / ".dev" / "impetus" / name for name in checking.PACKAGES]
        assert all(link.resolve() == tmp_path / link.name for link in links)


TEMPLATE = 'schema_version = "1.0.0"\nversion = "0.1.0"\n\n[permissions]\nfiles = "Save takes"\n'


def test_manifest_gains_wheels_above_its_tables() -> None:
    import tomllib

    text = load("extension").manifest_text(TEMPLATE, "linux-x64", ["b.whl", "a.whl"])
    assert tomllib.loads(text) == {
        "schema_version": "1.0.0",
        "version": "0.1.0",
        "platforms": ["linux-x64"],
        "wheels": ["./wheels/a.whl", "./wheels/b.whl"],
        "permissions": {"files": "Save takes"},
    }


def test_a_manifest_that_fills_in_wheels_itself_is_refused() -> None:
    error = load("console").BuildError
    with pytest.raises(error, match="'wheels'"):
        load("extension").manifest_text("wheels = []\n" + TEMPLATE, "linux-x64", [])


@pytest.mark.parametrize(
    ("abis", "message"),
    [
        (("cp311", "cp313"), None),
        (("cp311",), "has wheels for"),
        (("cp311", "cp313", "cp313"), "has wheels for"),
        (("cp311", "abi3"), "abi3"),
    ],
)
def test_each_python_finds_one_wheel(abis: tuple[str, ...], message: str | None) -> None:
    wheels = [f"wheels/pyzmq-27.3.0-{abi}-{abi}-win_amd64.whl" for abi in abis]
    wheels.append("wheels/impetus-0.1.0-py3-none-any.whl")
    check = load("extension_check").check_wheels
    if message is None:
        check(wheels, ("3.11", "3.13"))
        return
    with pytest.raises(load("console").BuildError, match=message):
        check(wheels, ("3.11", "3.13"))


def test_our_wheel_is_built_from_what_is_there_now(tmp_path: Path) -> None:
    """Nothing that an older build left comes back, and no new module is left out."""
    wheel = load("extension").build_wheel(Path(sys.executable), tmp_path)
    names = set(zipfile.ZipFile(wheel).namelist())
    there = {
        f"impetus/{path.relative_to(ROOT).as_posix()}"
        for folder in ("backend", "kernels")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {name for name in names if re.match(r"impetus/(backend|kernels)/.*\.py$", name)} == there
    assert "impetus/__init__.py" not in names


@pytest.fixture
def take(tmp_path: Path) -> Path:
    """Return a demo's plain take as it should look, with empty scene and video; beside it `two`."""
    (tmp_path / "first_take.blend").touch()
    fill(tmp_path / "takes" / "two", "motioncraft")
    return fill(tmp_path / "takes" / "one", "none")


def fill(folder: Path, method: str) -> Path:
    demo = load("demo")
    for part, suffix in (("beauty", "png"), ("passes", "exr")):
        (folder / part).mkdir(parents=True)
        for frame in range(1, demo.FRAMES + 1):
            (folder / part / f"{frame:04}.{suffix}").write_bytes(b"x")
    for name in ("preview.mp4", "contact_sheet.png"):
        (folder / name).touch()
    settings = f'{{"settings": {{"method": {{"type": "{method}"}}}}}}'
    (folder / "take.json").write_text(settings)
    return folder


def test_demo_says_where_everything_lies(take: Path) -> None:
    found = load("demo").results(take.parents[1], diffused=True)
    assert found["take"] == take
    assert found["diffused take"] == take.parent / "two"
    assert found["scene"] == take.parents[1] / "first_take.blend"


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        ("take.json", "No take was found"),
        ("beauty/0048.png", r"47 of 48 files beauty/\*\.png"),
        ("passes/0001.exr", r"47 of 48 files passes/\*\.exr"),
        ("preview.mp4", "left no video"),
        ("../../first_take.blend", "left no scene"),
        ("../two/take.json", "No diffused take was found"),
        ("../two/beauty/0048.png", r"47 of 48 files beauty/\*\.png"),
        ("../two/preview.mp4", "left no diffused video"),
    ],
)
def test_demo_misses_what_is_not_there(take: Path, lost: str, message: str) -> None:
    (take / lost).unlink()
    with pytest.raises(load("console").BuildError, match=message):
        load("demo").results(take.parents[1], diffused=True)


def test_demo_can_do_without_the_diffused_take(take: Path) -> None:
    (take.parent / "two" / "take.json").unlink()
    found = load("demo").results(take.parents[1], diffused=False)
    assert set(found) == {"scene", "take", "video", "contact"}
