"""What must stay true of the source as a whole: who imports whom, sizes, what is not said."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build.py"
PRODUCT = ("backend", "kernels", "presets", "blender_addon")
FOLDERS = (*PRODUCT, "tests", "tools")

# Each floor may import itself and what stands below it. From the bottom up:
FLOORS = {
    "kernels": 0,
    "backend.contract": 0,
    "backend.cameras": 1,
    "backend.diffusion": 2,
    "backend.splatting": 2,
    "backend.stages": 3,
    "backend.training": 4,
    "backend.evaluation": 5,
    "backend.service": 5,
    "backend.__main__": 6,
}
ALLOWED_OUTSIDE = {  # beside the standard library
    "kernels": {"numpy", "scipy", "taichi"},
    "backend.contract": {"numpy", "msgspec", "zmq"},
    "backend.cameras": {"numpy"},
}
BLENDER = {
    "bpy",
    "bmesh",
    "bpy_extras",
    "mathutils",
    "gpu",
    "gpu_extras",
    "blf",
    "bl_ui",
    "addon_utils",
}
FOR_EXTENSION = {"numpy", "msgspec", "zmq", *BLENDER}
HEAVY = {"taichi", "torch", "gsplat", "diffusers", "transformers"}

MAX_FILE, MAX_FUNCTION = 400, 60
SCRIPTS = ("presets/shots/", "presets/models/tiny/data/shots.py")  # they use the extension
LONG_FILES: dict[str, str] = {}  # path: why it may be longer
LONG_FUNCTIONS: dict[str, str] = {}  # path:function: why it may be longer


def sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in found if "__pycache__" not in path.parts]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(read(path), str(path))


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def floor_of(module: str) -> tuple[str, int] | None:
    for name, floor in FLOORS.items():
        if module == name or module.startswith(name + "."):
            return name, floor
    return None


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, module) of every import; ours without the leading `impetus.`."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.removeprefix("impetus.")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, (node.module or "").removeprefix("impetus.")
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1]
            module = ".".join([*base, *(node.module or "").split(".")]).rstrip(".")
            names = [alias.name for alias in node.names] if node.module is None else [""]
            yield from ((node.lineno, f"{module}.{name}".rstrip(".")) for name in names)


def product_files() -> list[Path]:
    return sources("backend", "kernels")


@pytest.mark.parametrize("path", product_files(), ids=name_of)
def test_no_import_climbs(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    mine = floor_of(module)
    assert mine is not None, f"{module} stands on no floor"
    for line, imported in imports(path):
        theirs = floor_of(imported)
        if theirs is None:
            continue
        name, floor = theirs
        assert name == mine[0] or floor < mine[1], f"{name_of(path)}:{line} imports {imported}"


@pytest.mark.parametrize("folder", ALLOWED_OUTSIDE)
def test_lowest_floors_are_light(folder: str) -> None:
    allowed = {*ALLOWED_OUTSIDE[folder], *sys.stdlib_module_names}
    for path in sources(folder.replace(".", "/")):
        for line, imported in imports(path):
            if floor_of(imported) is None:
                assert imported.split(".")[0] in allowed, f"{name_of(path)}:{line} {imported}"


def test_kernels_import_nothing_of_ours() -> None:
    for path in sources("kernels"):
        for line, imported in imports(path):
            theirs = floor_of(imported)
            assert theirs is None or theirs[0] == "kernels", f"{name_of(path)}:{line} {imported}"


def test_extension_imports_only_contract_and_cameras() -> None:
    # In a background Blender the extension imports itself under a name of its own.
    ours = ("backend.contract", "backend.cameras", "blender_addon", "impetus_extension")
    allowed = {*FOR_EXTENSION, *sys.stdlib_module_names}
    for path in sources("blender_addon"):
        for line, imported in imports(path):
            fine = imported.startswith(ours) or imported.split(".")[0] in allowed
            assert fine, f"{name_of(path)}:{line} imports {imported}"


def test_extension_and_product_import_themselves_relatively() -> None:
    for path in sources(*PRODUCT):
        if name_of(path).startswith(SCRIPTS):
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                absolute = (node.module or "").startswith(("impetus", *PRODUCT))
                extension = path.is_relative_to(ROOT / "blender_addon")
                assert not absolute or extension, f"{name_of(path)}:{node.lineno} {node.module}"


def light_modules() -> list[str]:
    light = sources("backend/contract", "backend/cameras")
    light += [path for path in sources("backend/service") if path.stem != "worker"]
    parts = [path.relative_to(ROOT).with_suffix("").parts for path in light]
    return [".".join(("impetus", *part)).removesuffix(".__init__") for part in parts]


def test_server_and_contract_load_neither_taichi_nor_torch() -> None:
    code = "import sys, importlib\nfor name in sys.argv[1:]: importlib.import_module(name)\n"
    code += "print(*{name.split('.')[0] for name in sys.modules})"
    command = [sys.executable, "-P", "-c", code, *light_modules()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())


@pytest.mark.parametrize("folder", ["backend", "kernels", "presets"])
def test_top_folders_are_typed_and_no_regular_packages(folder: str) -> None:
    assert (ROOT / folder / "py.typed").exists()
    assert not (ROOT / folder / "__init__.py").exists(), f"{folder} would shadow its namesakes"


@pytest.mark.parametrize("name", ["backend", "kernels", "presets"])
def test_a_package_of_the_same_name_wins_over_our_folder(name: str, tmp_path: Path) -> None:
    """Other libraries look for a top-level `kernels`; our folder comes first on the path here."""
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("theirs = True\n")
    code = f"import sys; sys.path.append({str(tmp_path)!r}); import {name}; print({name}.theirs)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "True", done.stderr


def test_nothing_runs_code_that_came_as_data() -> None:
    modules = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle"}
    calls = {"eval", "exec", "compile", "__import__", "yaml.load"}
    for path in sources(*PRODUCT):
        for line, imported in imports(path):
            assert imported.split(".")[0] not in modules, f"{name_of(path)}:{line} {imported}"
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                where = f"{name_of(path)}:{node.lineno} {called}"
                assert called not in calls, where
                if called == "torch.load":
                    kept = [k for k in node.keywords if k.arg == "weights_only"]
                    assert [ast.unparse(k.value) for k in kept] == ["True"], where
                unsafe = [k for k in node.keywords if k.arg in ("allow_pickle", "shell")]
                assert all(ast.unparse(k.value) == "False" for k in unsafe), where


def test_files_are_short() -> None:
    counts = {name_of(p): len(read(p).splitlines()) for p in [*sources(*FOLDERS), BUILD]}
    long = {name: n for name, n in counts.items() if n > MAX_FILE and name not in LONG_FILES}
    assert not long


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_functions_are_short() -> None:
    long = {}
    for path in [*sources(*FOLDERS), BUILD]:
        for node in functions(path):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MAX_FUNCTION:
                long[f"{name_of(path)}:{node.name}"] = lines
    assert not {name: n for name, n in long.items() if name not in LONG_FUNCTIONS}


def decorators(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    return {ast.unparse(decorator).split("(")[0] for decorator in node.decorator_list}


TAICHI = {"ti.kernel", "ti.func", "ti.real_func", "ti.pyfunc"}


@pytest.mark.parametrize("path", sources("kernels"), ids=name_of)
def test_host_functions_of_kernels_are_annotated(path: Path) -> None:
    """The type checker leaves this out for kernels, since a @ti.func takes any type."""
    for node in functions(path):
        if TAICHI & decorators(node):
            continue
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        bare = [a.arg for a in arguments if a.annotation is None and a.arg not in ("self", "cls")]
        where = f"{name_of(path)}:{node.lineno} {node.name}"
        assert not bare, where
        assert node.returns is not None, where


@pytest.mark.parametrize("path", sources(*FOLDERS), ids=name_of)
def test_no_string_annotations_beside_taichi_kernels(path: Path) -> None:
    """Taichi reads annotations as objects; postponed ones are a TaichiSyntaxError."""
    has_kernel = any(TAICHI & decorators(node) for node in functions(path))
    future = [n for n in tree(path).body if isinstance(n, ast.ImportFrom)
              and n.module == "__future__"]  # fmt: skip
    assert not (has_kernel and future)


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:  # an unpacked archive has no git
        return [*sources(*FOLDERS), BUILD]
    return [ROOT / name for name in listed.stdout.split("\0") if name]


# Written in pieces, so that this file does not hold what it looks for.
FORBIDDEN = {
    "a registry host": r"p[y]pi\.org|pythonh[o]sted|d[e]b\.debian|n[p]mjs|files\.p[y]thon",
    "a path of one machine": r"(?<![\w.$}])/(?:w[o]rk|r[o]ot|f[a]rm|h[o]me/\w+|U[s]ers/\w+)/",
    "a fixed temporary path": r"(?<![\w.$}])/t[m]p/",
}
TEXT = {".py", ".toml", ".md", ".txt", ".sh", ".cfg", ".yml", ".yaml", ".json", ""}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_source_names_no_machine(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = []
    for path in tracked():
        if path.suffix not in TEXT or not path.is_file() or path.name == "LICENSE":
            continue
        for number, line in enumerate(read(path).splitlines(), 1):
            if pattern.search(line):
                found.append(f"{name_of(path)}:{number}: {line.strip()[:80]}")
    assert not found


def test_pins_are_exact() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        for line in read(path).splitlines():
            if not line.startswith("#"):
                assert re.fullmatch(r"[\w.-]+==[\w.]+(; \w+ == \"\w+\")?", line), (path.name, line)


def test_torch_is_asked_for_alone() -> None:
    """It is gigabytes, and which build is right depends on the machine, which pip's settings know.

    What a build needs beside our pins must not stand among them.
    """
    pins = {path.name: read(path) for path in (ROOT / "requirements").glob("*.txt")}
    found = {
        name: re.findall(r"^((?:torch|nvidia|triton)\b.*)$", text, re.MULTILINE)
        for name, text in pins.items()
    }
    assert found.pop("torch.txt") == ["torch==2.13.0"]
    assert not any(found.values())


def test_one_version_everywhere() -> None:
    version = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]["version"]
    manifest = tomllib.loads(read(ROOT / "blender_addon" / "blender_manifest.toml"))
    heading = re.search(r"^## (\S+)", read(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert heading is not None
    assert [manifest["version"], heading[1]] == [version, version]
