"""The packages that training and suites need beside the methods' own; asked for before any work."""

from importlib.util import find_spec

from ..contract.errors import ImpetusError

RESEARCH = {"cv2": "opencv-python-headless", "matplotlib": "matplotlib"}
"Modules, and the packages that bring them: the extra `research`."
PHOTOGRAPHS = {"skimage": "scikit-image"}
"Of the same extra, for the photograph that lifts are measured with."
LEARNING = {"torch": "torch", "diffusers": "diffusers", "transformers": "transformers"}
"Those of the extra `diffusion` that networks are trained and measured with."


class PackagesMissingError(ImpetusError):
    """Raised where a suite or a training lacks packages."""

    code = "PACKAGES_MISSING"


def require(modules: dict[str, str]) -> None:
    """Raise PackagesMissingError where one of the modules cannot be imported."""
    missing = [package for module, package in modules.items() if find_spec(module) is None]
    if missing:
        raise PackagesMissingError(
            f"Expected the packages {', '.join(modules.values())}, "
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not installed.",
            "Install Impetus with its extras `research` and `diffusion`.",
        )
