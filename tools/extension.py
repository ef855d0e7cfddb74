"""Builds the extension's zip for Blender; `build.py extension`.

One zip per platform serves every Blender from 4.2 on, so that an artist picks by operating system
and never by Python version. Blender reads a wheel's ABI from its file name and takes `cp312-abi3`
as "any 3.x", which it then drops beside a cp311 wheel; so the abi3 wheel is packed once per Python
under the exact names (cp313-cp313, cp314-cp314). That costs about 1 MB per copy, and avoids two
zips split by Blender's version of which the wrong one fails only after it is installed.
"""

import os
import re
import shutil
import subprocess
import tempfile
import tomllib
import zipfile
from pathlib import Path

from .console import BuildError, Console
from .environments import BUILD, ROOT, ensure, last_line, main_blender
from .extension_check import check_zip

SOURCES = ("backend", "kernels", "presets", "pyproject.toml", "README.md", "LICENSE")
ADDON = ROOT / "blender_addon"
PYTHONS = ("3.11", "3.13", "3.14")  # of Blender 4.2 to 5.0, 5.1 and newer, Debian's 5.2
BINARY_WHEELS = ("pyzmq", "msgspec")
OLDEST = 315532800  # 1980-01-01, the first date that a zip can hold: same sources, same bytes

PLATFORMS = {  # Blender's name: what pip calls it, the newest first
    "linux-x64": (*(f"manylinux_2_{n}_x86_64" for n in range(28, 16, -1)), "manylinux2014_x86_64"),
    "windows-x64": ("win_amd64",),
    "macos-arm64": ("macosx_11_0_arm64", "macosx_11_0_universal2"),
}


def this_platform() -> str:
    machine = os.uname() if hasattr(os, "uname") else None
    name = "windows" if machine is None else {"Darwin": "macos"}.get(machine.sysname, "linux")
    return next(platform for platform in PLATFORMS if platform.startswith(name))


def build_extension(out: Path, platforms: tuple[str, ...], console: Console) -> list[Path]:
    """Write one zip per platform into `out` and validate each; return their paths."""
    python = ensure(BUILD, console)
    out.mkdir(parents=True, exist_ok=True)
    made = []
    with tempfile.TemporaryDirectory() as folder:
        wheel = build_wheel(python, Path(folder))
        console.say(f"built {wheel.name}")
        for platform in platforms:
            wheels = [wheel, *platform_wheels(python, platform, console)]
            target = write_zip(out, platform, wheels)
            check_zip(target, platform, PYTHONS)
            console.say(f"packed {target.name}, {target.stat().st_size / 1e6:.1f} MB")
            made.append(target)
    for target in made:
        validate(target, console)
    for target in made:
        console.plain(f"  {target}")
    return made


def build_wheel(python: Path, folder: Path) -> Path:
    """Build impetus from a fresh copy: setuptools' build/lib would bring deleted modules back."""
    copy = folder / "source"
    copy.mkdir()
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, copy / name)
    run_pip(python, ["wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(copy)])
    return next(folder.glob("impetus-*.whl"))


def platform_wheels(python: Path, platform: str, console: Console) -> list[Path]:
    """Return the wheels of pyzmq and msgspec for every Python, under names that Blender reads."""
    folder = ROOT / ".cache" / "wheels" / platform
    folder.mkdir(parents=True, exist_ok=True)
    wheels = []
    for name in BINARY_WHEELS:
        pin = pinned_version(name)
        for version in PYTHONS:
            tag = "cp" + version.replace(".", "")
            found = list(folder.glob(f"{name}-{pin}-{tag}-{tag}-*.whl"))
            if not found:
                console.say(f"fetching {name} {pin} for {platform}, Python {version}")
                found = [fetch_wheel(python, f"{name}=={pin}", platform, version, folder)]
            wheels += found
    return wheels


def fetch_wheel(python: Path, pin: str, platform: str, version: str, folder: Path) -> Path:
    """Download one wheel and give it the exact tag of `version`, if its own is abi3."""
    tag = "cp" + version.replace(".", "")
    with tempfile.TemporaryDirectory() as name:
        arguments = ["download", pin, "--no-deps", "--only-binary=:all:", "-d", name]
        arguments += ["--implementation", "cp", "--python-version", version]
        arguments += ["--abi", tag, "--abi", "abi3"]
        for pip_platform in PLATFORMS[platform]:
            arguments += ["--platform", pip_platform]
        run_pip(python, arguments)
        wheel = next(Path(name).glob("*.whl"))
        project, number, _, _, where = wheel.name.removesuffix(".whl").split("-")
        target = folder / f"{project}-{number}-{tag}-{tag}-{where}.whl"
        shutil.move(wheel, target)
    return target


def pinned_version(name: str) -> str:
    pins = (ROOT / "requirements" / "backend.txt").read_text(encoding="utf-8")
    match = re.search(rf"^{name}==(\S+)$", pins, re.MULTILINE)
    if match is None:
        raise BuildError(f"requirements/backend.txt does not pin {name}.")
    return match[1]


def run_pip(python: Path, arguments: list[str]) -> None:
    command = [str(python), "-m", "pip", "--no-input", "--disable-pip-version-check", *arguments]
    variables = {**os.environ, "SOURCE_DATE_EPOCH": str(OLDEST), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(
            f"pip {' '.join(arguments[:2])} failed: {last_line(done.stderr or done.stdout)}",
            "Fetching wheels needs the network once; they are kept in .cache/wheels.",
        )


def manifest_text(template: str, platform: str, wheels: list[str]) -> str:
    """Return the manifest with its platform and wheels, which must stand before the first table."""
    given = tomllib.loads(template)
    for key in ("platforms", "wheels"):
        if key in given:
            raise BuildError(f"blender_manifest.toml states {key!r}, which build.py fills in.")
    lines = [f'platforms = ["{platform}"]', "wheels = ["]
    lines += [f'    "./wheels/{name}",' for name in sorted(wheels)]
    added = "\n".join([*lines, "]", "", ""])
    first_table = re.search(r"^\[", template, re.MULTILINE)
    at = first_table.start() if first_table else len(template)
    return template[:at] + added + template[at:]


def write_zip(out: Path, platform: str, wheels: list[Path]) -> Path:
    template = (ADDON / "blender_manifest.toml").read_text(encoding="utf-8")
    manifest = manifest_text(template, platform, [wheel.name for wheel in wheels])
    version = tomllib.loads(manifest)["version"]
    target = out / f"impetus-{version}-{platform}.zip"
    partial = target.with_suffix(".tmp")
    entries = {
        "blender_manifest.toml": manifest.encode(),
        "LICENSE": (ROOT / "LICENSE").read_bytes(),
    }
    entries |= {
        path.relative_to(ADDON).as_posix(): path.read_bytes()
        for path in ADDON.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name not in entries
    }
    entries |= {f"wheels/{wheel.name}": wheel.read_bytes() for wheel in wheels}
    # The pins with which the extension sets up the backend's own environment.
    entries["requirements.txt"] = (ROOT / "requirements" / "backend.txt").read_bytes()
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(entries):
            archive.writestr(zipfile.ZipInfo(name), entries[name], zipfile.ZIP_DEFLATED)
    os.replace(partial, target)
    return target


def validate(target: Path, console: Console) -> None:
    """Let Blender's own validator judge the zip: a real Blender's, or else the bpy wheel's."""
    command = validator()
    if command is None:
        console.say(f"{target.name}: no Blender at hand, checked by build.py alone")
        return
    done = subprocess.run(
        [*command, "validate", str(target)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if "rror" in line]
    if done.returncode != 0:
        raise BuildError(f"Blender refuses {target.name}: {'; '.join(said) or done.returncode}")
    console.say(f"{target.name}: accepted by Blender's validator ({Path(command[0]).name})")


def validator() -> list[str] | None:
    blender = os.environ.get("IMPETUS_BLENDER") or shutil.which("blender")
    if blender:
        return [blender, "--command", "extension"]
    environment = main_blender()
    pattern = "**/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"
    scripts = list(environment.folder.glob(pattern)) if environment.python.exists() else []
    return [str(environment.python), str(scripts[0])] if scripts else None
