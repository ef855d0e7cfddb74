"""`impetus train`: make the data, train the model in the box, train the flow network.

What a training loads is loaded when it runs.
"""

from pathlib import Path
from typing import Annotated, Literal, cast

import typer

from ..contract.keys import user_folder
from .packages import LEARNING, RESEARCH, require

train_app = typer.Typer(
    help="Train the networks that ship with Impetus; stopped at any time, it goes on.",
    no_args_is_help=True,
)

PARTS = ("all", "autoencoder", "denoiser", "package")

Data = Annotated[
    Path | None, typer.Option(help="Folder of the made data; training/data of your user's.")
]
State = Annotated[
    Path | None, typer.Option(help="Folder of what a run keeps; training/… of your user's.")
]
Seed = Annotated[int, typer.Option(help="Of every random choice.")]
Steps = Annotated[int | None, typer.Option(help="This many steps, whatever they take.")]
TorchDevice = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Shipped = Annotated[
    bool, typer.Option("--shipped", help="Begin a new run with the weights that ship.")
]


@train_app.command("data")
def train_data(
    data: Data = None,
    pictures: Annotated[int, typer.Option(help="How many pictures there should be.")] = 6000,
    clips: Annotated[int, typer.Option(help="How many clips there should be.")] = 900,
    shots: Annotated[int, typer.Option(help="How many clips of splats there should be.")] = 300,
    seed: Seed = 0,
    processes: Annotated[int | None, typer.Option(help="As many as cores if not given.")] = None,
    blender: Annotated[Path | None, typer.Option(help="A Blender, or a Python with bpy.")] = None,
    enlarge: Annotated[float, typer.Option(help="Size of the pictures, times this.")] = 1.0,
) -> None:
    """Make pictures and clips in Blender: scenes, captions, depth, normals, motion, cameras."""
    from rich.progress import Progress

    from .data_command import make_data

    with Progress() as bar:
        task = bar.add_task("Pictures and clips", total=pictures + clips + 2 * shots)
        make_data(
            data or _training("data"),
            pictures,
            clips,
            shots=shots,
            seed=seed,
            processes=processes,
            blender=blender,
            enlarge=enlarge,
            progress=lambda made, total: bar.update(task, completed=made, total=total),
        )


@train_app.command("tiny")
def train_tiny(
    data: Data = None,
    state: State = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the model here, in the diffusers layout.")
    ] = None,
    part: Annotated[str, typer.Option(help="all, autoencoder, denoiser or package.")] = "all",
    autoencoder_minutes: Annotated[float, typer.Option(help="One leg of its schedule.")] = 60.0,
    denoiser_minutes: Annotated[float, typer.Option(help="One leg of its schedule.")] = 60.0,
    steps: Steps = None,
    factor: Annotated[int, typer.Option(help="Of the autoencoder: 8, or 4 for a study.")] = 8,
    seed: Seed = 0,
    threads: Annotated[int | None, typer.Option(help="As many as cores if not given.")] = None,
    workers: Annotated[
        int, typer.Option(help="Batches at a time, each by one thread: for a busy processor.")
    ] = 1,
    device: TorchDevice = "auto",
    shipped: Shipped = False,
) -> None:
    """Train the model in the box. A run that had ended goes on with another leg."""
    require(LEARNING | RESEARCH)
    from ..diffusion.model_folder import PRESETS
    from .architecture import TrainingError
    from .tiny_training import TinyTraining

    if part not in PARTS:
        raise TrainingError(f"Expected one of {', '.join(PARTS)}, got {part!r}.", "Choose one.")
    TinyTraining(
        data=data or _training("data"),
        state=state or _training("tiny"),
        out=out,
        part=cast(Literal["all", "autoencoder", "denoiser", "package"], part),
        autoencoder_minutes=autoencoder_minutes,
        denoiser_minutes=denoiser_minutes,
        steps=steps,
        factor=factor,
        seed=seed,
        threads=threads,
        workers=workers,
        device=_device(device),
        start=PRESETS / "tiny" if shipped else None,
    ).run(typer.echo)


@train_app.command("flow")
def train_flow(
    data: Data = None,
    state: State = None,
    out: Annotated[Path | None, typer.Option(help="Write the network here.")] = None,
    minutes: Annotated[float, typer.Option(help="One leg of its schedule.")] = 60.0,
    steps: Steps = None,
    seed: Seed = 0,
    device: TorchDevice = "auto",
    shipped: Shipped = False,
) -> None:
    """Train the flow network. A run that had ended goes on with another leg."""
    require(LEARNING | RESEARCH)
    from ..diffusion.flow_network import load_flow_network
    from .flow_training import train_flow as train
    from .flow_training import write_flow_network

    network = train(
        data or _training("data"),
        state or _training("flow"),
        minutes,
        seed,
        start=load_flow_network(device=_device(device)) if shipped else None,
        steps=steps,
        device=_device(device),
        say=typer.echo,
    )
    if out is not None:
        write_flow_network(network, out)


def _training(name: str) -> Path:
    return user_folder() / "training" / name


def _device(name: str) -> str:
    import torch

    return name if name != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
