"""Names and shapes of the published RAFT weights, as torchvision and the authors' code give them.

torchvision 0.29 models.optical_flow raft_small, raft_large; princeton-vl/RAFT raft-small,
raft-things. Each function returns the names of one file with its shapes.
"""

Shapes = dict[str, tuple[int, ...]]

WIDTHS = {"small": (32, 64, 96), "large": (64, 96, 128)}
ENCODED = {"small": (128, 160), "large": (256, 256)}  # features, context
SEEN = {"small": 96 + 64 + 82, "large": 128 + 128 + 128}
HIDDEN = {"small": 96, "large": 128}
LOOKED_UP = {"small": 4 * 7 * 7, "large": 4 * 9 * 9}


def conv(name: str, out: int, into: int, rows: int, columns: int | None = None) -> Shapes:
    return {f"{name}.weight": (out, into, rows, columns or rows), f"{name}.bias": (out,)}


def batch_norm(name: str, channels: int) -> Shapes:
    shapes: Shapes = {
        f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")
    }
    return shapes | {f"{name}.num_batches_tracked": ()}


def torchvision(form: str) -> Shapes:
    shapes: Shapes = {}
    for encoder, out in zip(("feature", "context"), ENCODED[form], strict=True):
        norms = form == "large" and encoder == "context"
        shapes |= _torchvision_encoder(f"{encoder}_encoder", form, out, norms)
    update = "update_block"
    motion = f"{update}.motion_encoder"
    if form == "small":
        shapes |= conv(f"{motion}.convcorr1.0", 96, LOOKED_UP[form], 1)
        shapes |= conv(f"{motion}.convflow1.0", 64, 2, 7) | conv(f"{motion}.convflow2.0", 32, 64, 3)
        shapes |= conv(f"{motion}.conv.0", 80, 128, 3)
        kernels: tuple[tuple[int, int], ...] = ((3, 3),)
    else:
        shapes |= conv(f"{motion}.convcorr1.0", 256, LOOKED_UP[form], 1)
        shapes |= conv(f"{motion}.convcorr2.0", 192, 256, 3)
        shapes |= conv(f"{motion}.convflow1.0", 128, 2, 7)
        shapes |= conv(f"{motion}.convflow2.0", 64, 128, 3) | conv(f"{motion}.conv.0", 126, 256, 3)
        kernels = ((1, 5), (5, 1))
        shapes |= conv("mask_predictor.convrelu.0", 256, 128, 3)
        shapes |= conv("mask_predictor.conv", 576, 256, 1)
    for number, size in enumerate(kernels, start=1):
        for gate in "zrq":
            name = f"{update}.recurrent_block.convgru{number}.conv{gate}"
            shapes |= conv(name, HIDDEN[form], SEEN[form], *size)
    return shapes | _flow_head(f"{update}.flow_head", form)


def _torchvision_encoder(encoder: str, form: str, out: int, norms: bool) -> Shapes:
    a, b, c = WIDTHS[form]
    shapes = conv(f"{encoder}.convnormrelu.0", a, 3, 7)
    if norms:
        shapes |= batch_norm(f"{encoder}.convnormrelu.1", a)
    for layer, (into, width) in enumerate(((a, a), (a, b), (b, c)), start=1):
        for block in (0, 1):
            name = f"{encoder}.layer{layer}.{block}"
            for i, sizes in enumerate(_block(form, into if block == 0 else width, width), start=1):
                shapes |= conv(f"{name}.convnormrelu{i}.0", *sizes)
                if norms:
                    shapes |= batch_norm(f"{name}.convnormrelu{i}.1", sizes[0])
            if layer > 1 and block == 0:
                shapes |= conv(f"{name}.downsample.0", width, into, 1)
                if norms:
                    shapes |= batch_norm(f"{name}.downsample.1", width)
    return shapes | conv(f"{encoder}.conv", out, c, 1)


def authors(form: str) -> Shapes:
    """The authors' files: with `module.`, and the shortcut's norm under two names."""
    shapes: Shapes = {}
    for encoder, out in zip(("fnet", "cnet"), ENCODED[form], strict=True):
        norms = form == "large" and encoder == "cnet"
        shapes |= _authors_encoder(encoder, form, out, norms)
    motion, update = "update_block.encoder", "update_block"
    if form == "small":
        shapes |= conv(f"{motion}.convc1", 96, LOOKED_UP[form], 1)
        shapes |= conv(f"{motion}.convf1", 64, 2, 7) | conv(f"{motion}.convf2", 32, 64, 3)
        shapes |= conv(f"{motion}.conv", 80, 128, 3)
        for gate in "zrq":
            shapes |= conv(f"{update}.gru.conv{gate}", 96, SEEN[form], 3)
    else:
        shapes |= conv(f"{motion}.convc1", 256, LOOKED_UP[form], 1)
        shapes |= conv(f"{motion}.convc2", 192, 256, 3)
        shapes |= conv(f"{motion}.convf1", 128, 2, 7) | conv(f"{motion}.convf2", 64, 128, 3)
        shapes |= conv(f"{motion}.conv", 126, 256, 3)
        for number, size in (("1", (1, 5)), ("2", (5, 1))):
            for gate in "zrq":
                shapes |= conv(f"{update}.gru.conv{gate}{number}", 128, SEEN[form], *size)
        shapes |= conv(f"{update}.mask.0", 256, 128, 3) | conv(f"{update}.mask.2", 576, 256, 1)
    shapes |= _flow_head(f"{update}.flow_head", form)
    return {f"module.{name}": shape for name, shape in shapes.items()}


def _authors_encoder(encoder: str, form: str, out: int, norms: bool) -> Shapes:
    a, b, c = WIDTHS[form]
    shapes = conv(f"{encoder}.conv1", a, 3, 7) | conv(f"{encoder}.conv2", out, c, 1)
    if norms:
        shapes |= batch_norm(f"{encoder}.norm1", a)
    for layer, (into, width) in enumerate(((a, a), (a, b), (b, c)), start=1):
        for block in (0, 1):
            name = f"{encoder}.layer{layer}.{block}"
            for i, sizes in enumerate(_block(form, into if block == 0 else width, width), start=1):
                shapes |= conv(f"{name}.conv{i}", *sizes)
                if norms:
                    shapes |= batch_norm(f"{name}.norm{i}", sizes[0])
            if layer > 1 and block == 0:
                shapes |= conv(f"{name}.downsample.0", width, into, 1)
                if norms:
                    shapes |= batch_norm(f"{name}.norm3", width)
                    shapes |= batch_norm(f"{name}.downsample.1", width)
    return shapes


def _block(form: str, into: int, width: int) -> list[tuple[int, int, int]]:
    if form == "large":
        return [(width, into, 3), (width, width, 3)]
    return [(width // 4, into, 1), (width // 4, width // 4, 3), (width, width // 4, 1)]


def _flow_head(name: str, form: str) -> Shapes:
    middle = {"small": 128, "large": 256}[form]
    return conv(f"{name}.conv1", middle, HIDDEN[form], 3) | conv(f"{name}.conv2", 2, middle, 3)
