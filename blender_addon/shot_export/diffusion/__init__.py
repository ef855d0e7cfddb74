"""A scene's diffusion settings as the shot's method: `MethodReader` is fed the scene's frames."""

from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from impetus.backend.contract.arrays import ArrayRef, ArraySet
from impetus.backend.contract.edits import AuthoredMotion
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.image_motions import (
    FileMotion,
    FlockMotion,
    LiquidMotion,
    Motion,
    ShiftMotion,
    ShotMotion,
    SmokeMotion,
    SphereMotion,
    TurnMotion,
    VideoMotion,
)
from impetus.backend.contract.methods import (
    GeneratedStart,
    GuidanceTerms,
    Method,
    MotionCraft,
    MotionGuidance,
    NoMethod,
    Novelty,
    PictureStart,
    RenderStart,
    Start,
)
from impetus.backend.contract.shot import FrameRange

from ...methods.guidance_properties import ImpetusMotionGuidance
from ...methods.masks import ImpetusMask
from ...methods.motioncraft_properties import ImpetusMotionCraft
from ...methods.properties import ImpetusDiffusion
from .edits import box_of, read_edit
from .flow_files import read_flow
from .outlines import Sight, regions
from .pictures import nearest, read_mask, read_picture, read_video
from .plane import Plane, plane_of

Array = NDArray[np.generic]


class MethodReader:
    """Reads what depends on the frame while the scene is walked, and all else afterwards."""

    def __init__(
        self, scene: bpy.types.Scene, layer: bpy.types.ViewLayer, frames: FrameRange,
        arrays: ArraySet,
    ) -> None:  # fmt: skip
        self._scene, self._layer, self._frames, self._arrays = scene, layer, frames, arrays
        self._settings: ImpetusDiffusion = scene.impetus.diffusion
        self._source = self._settings.source_frame(scene)
        if self._settings.method != "NONE" and self._source not in frames.numbers:
            raise ShotError(
                "Source frame",
                f"expected one of {frames.first} to {frames.last}, got {self._source}.",
                "Choose a frame of the shot, or widen its range.",
            )
        self._amounts: list[float] = []
        self._method: Method = NoMethod()

    def add(self, frame: int, depsgraph: bpy.types.Depsgraph) -> None:
        """Note this frame; all that stands in the picture is read at the source frame."""
        if self._settings.method == "NONE":
            return
        self._amounts.append(self._settings.motion_guidance.amount)
        if frame == self._source:
            plane = plane_of(self._scene, depsgraph)
            if plane is None:
                raise ShotError(
                    "Camera", "expected a perspective or orthographic camera, got none.", "Add one."
                )
            self._plane: Plane = plane
            lens = self._scene.camera.data
            self._sight = Sight(self._scene, self._layer, plane, (lens.clip_start, lens.clip_end))
            if self._settings.method == "MOTIONCRAFT":
                self._method = self._motioncraft(self._settings.motioncraft)
            else:
                self._method = self._motion_guidance(self._settings.motion_guidance)

    def method(self) -> Method:
        """Return the method, when all frames were walked."""
        guided = self._settings.motion_guidance
        if not isinstance(self._method, MotionGuidance) or not guided.use_amount:
            return self._method
        if isinstance(motion := self._method.motion, AuthoredMotion):
            track = np.array(self._amounts, np.float64)
            track = track if (track != track[0]).any() else track[:1]
            moved = AuthoredMotion(motion.edits, self._arrays.add(track))
            fields = {
                name: getattr(self._method, name) for name in MotionGuidance.__struct_fields__
            }
            return MotionGuidance(**(fields | {"motion": moved}))
        return self._method

    # --- the two methods

    def _motioncraft(self, settings: ImpetusMotionCraft) -> MotionCraft:
        chosen, new = self._settings, settings.novelty
        return MotionCraft(
            prompt=chosen.prompt,
            negative_prompt=settings.negative_prompt,
            model=chosen.model.strip(),
            start=self._start(),
            motion=self._motion(),
            steps=settings.steps,
            tau=settings.tau,
            guidance=settings.guidance,
            attention=settings.attention.lower(),
            attend_to_itself=settings.attend_to_itself,
            reinvert=settings.reinvert,
            inversion_rounds=settings.inversion_rounds,
            warp=settings.warp.lower(),
            restore_variance=settings.restore_variance,
            backward=settings.backward.lower(),
            carry_residual=settings.carry_residual,
            settle_picture=settings.settle_picture,
            carry_detail=settings.carry_detail,
            follow=settings.follow if chosen.can_follow else 0.0,
            fill=settings.fill.lower(),
            posterior=settings.posterior.lower(),
            novelty=Novelty(
                new.out_of_frame, new.disoccluded, new.active, new.floor, new.ceiling,
                self._mask(new.mask, "Novelty"),
            ),
        )  # fmt: skip

    def _motion_guidance(self, settings: ImpetusMotionGuidance) -> MotionGuidance:
        chosen, terms = self._settings, settings.terms
        return MotionGuidance(
            prompt=chosen.prompt,
            negative_prompt=settings.negative_prompt,
            model=chosen.model.strip(),
            start=self._start(),
            motion=self._edits() if settings.motion == "AUTHORED" else self._motion(),  # type: ignore[arg-type]
            steps=settings.steps,
            guidance=settings.guidance,
            recursions=settings.recursions,
            weight=settings.weight,
            schedule=read_schedule(settings.schedule),
            clip=settings.clip,
            terms=GuidanceTerms(
                terms.flow_weight, terms.color_weight, terms.flow_iterations,
                terms.target_flow_warp, terms.occlusion_mask, chosen.flow_network.strip(),
            ),
            edit_mask=settings.edit_mask,
            editable=self._mask(settings.editable, "Area that may change"),
            dilation=settings.dilation,
            gradient=settings.gradient.lower(),
            decoder=settings.decoder.lower(),
            hard_warp_start=settings.hard_warp_start if settings.use_hard_warp else None,
            carry_detail=settings.carry_detail,
            low_memory=settings.low_memory,
        )  # fmt: skip

    def _start(self) -> Start:
        chosen = self._settings
        match chosen.start:
            case "PICTURE":
                if chosen.picture is None:
                    raise ShotError("Start", "expected a picture, got none.", "Choose one.")
                return PictureStart(self._arrays.add(read_picture(chosen.picture)))
            case "GENERATED":
                return GeneratedStart(chosen.start_steps, chosen.start_guidance)
        return RenderStart(chosen.frame if chosen.use_frame else None)

    # --- motion

    def _motion(self) -> Motion:
        chosen, slide, flock = self._settings, self._settings.slide, self._settings.flock
        match chosen.motion:
            case "SHIFT":
                return ShiftMotion(tuple(slide.step))
            case "TURN":
                return TurnMotion(slide.turn_angle, slide.growth, tuple(slide.turn_center))
            case "SPHERE":
                return SphereMotion(
                    tuple(slide.sphere_center), slide.radius, slide.sphere_angle, tuple(slide.axis)
                )
            case "SMOKE":
                return self._smoke()
            case "LIQUID":
                return self._liquid()
            case "FLOCK":
                return FlockMotion(
                    self._agents(), flock.count, flock.speed, flock.separation, flock.alignment,
                    flock.cohesion, tuple(flock.goal) if flock.use_goal else None,
                )  # fmt: skip
            case "FILE" | "VIDEO":
                return self._found()
        return ShotMotion()

    def _smoke(self) -> SmokeMotion:
        smoke = self._settings.smoke
        return SmokeMotion(
            self._mask(smoke.source, "Smoke's source"),
            self._mask(smoke.obstacle, "Smoke's obstacle"),
            smoke.buoyancy, smoke.vorticity, tuple(smoke.wind), smoke.emission, smoke.resolution,
        )  # fmt: skip

    def _liquid(self) -> LiquidMotion:
        liquid = self._settings.liquid
        return LiquidMotion(
            self._mask(liquid.fluid, "Liquid"),
            self._mask(liquid.obstacle, "Liquid's obstacle"),
            self._mask(liquid.inflow, "Liquid's inflow") if liquid.use_inflow else None,
            tuple(liquid.inflow_velocity), tuple(liquid.gravity), liquid.resolution,
        )  # fmt: skip

    def _found(self) -> FileMotion | VideoMotion:
        found, count = self._settings.found, len(self._frames.numbers)
        if self._settings.motion == "FILE":
            flow = read_flow(Path(bpy.path.abspath(found.path)), count - 1)
            active = self._mask(found.active, "Active matter")
            if active is not None:
                area = self._arrays.of(active)
                rows, columns = nearest(area.shape[0], area.shape[1], flow.shape[2], flow.shape[1])
                active = self._arrays.add(area[None, rows[:, None], columns])
            return FileMotion(self._arrays.add(flow), found.direction.lower(), active)
        if found.video is None:
            raise ShotError("Video", "expected a movie or a sequence, got none.", "Choose one.")
        frames = read_video(found.video, found.video_start, count, self._plane.film)
        network = self._settings.flow_network.strip()
        return VideoMotion(self._arrays.add(frames), network, found.iterations)

    def _edits(self) -> AuthoredMotion:
        edits = []
        for edit in self._settings.edits:
            if not edit.use:
                continue
            handles = {handle.name: handle.object for handle in edit.handles}
            gone = [each for each in handles.values() if not is_there(self._scene, each)]
            if gone or not handles:
                raise ShotError(
                    edit.name, "expected its handles in the scene, some are gone.", "Restore them."
                )
            depsgraph = self._layer.depsgraph
            places = [
                ob.evaluated_get(depsgraph).matrix_world.translation for ob in handles.values()
            ]
            pixels = self._plane.pixels(np.array(places, np.float64))
            if not np.isfinite(pixels).all():
                raise ShotError(
                    edit.name, "expected its handles in front of the camera.", "Move them there."
                )
            mask = self._mask(edit.mask, edit.name)
            box = box_of(self._arrays.of(mask) if mask else None, self._plane.film)
            at = dict(zip(handles, pixels, strict=True))
            edits.append(read_edit(edit.name, edit.kind, at, self._plane.film, mask, box))
        if not edits:
            raise ShotError("Edits", "expected at least one edit, got none.", "Add one.")
        return AuthoredMotion(tuple(edits))

    # --- masks

    def _mask(self, mask: ImpetusMask, where: str) -> ArrayRef | None:
        """Return the area as (H, W) of the film, 0 or 255; None where the method chooses it."""
        if mask.source == "AUTO":
            return None
        if mask.chosen is None:
            raise ShotError(
                where, f"expected a mask's {mask.source.lower()}, got none.", "Choose it."
            )
        if mask.source == "IMAGE":
            area = read_mask(mask.image, self._plane.film)
        else:
            area = np.where(self._sight.labels(mask.objects) > 0, 255, 0).astype(np.uint8)
        area = 255 - area if mask.invert else area
        if not area.any():
            raise ShotError(
                where,
                f"expected {mask.chosen.name} to cover some of the picture, got nothing.",
                "Paint it lighter, or bring it before the camera at the source frame.",
            )
        return self._arrays.add(area)

    def _agents(self) -> ArrayRef | None:
        """Return (H, W), a number for each of a flock: each object, each patch of a picture."""
        mask = self._settings.flock.agents
        if (ref := self._mask(mask, "Flock")) is None:
            return None
        if mask.source == "IMAGE" or mask.invert:
            return self._arrays.add(regions(self._arrays.of(ref)))
        return self._arrays.add(self._sight.labels(mask.objects))


def read_schedule(text: str) -> tuple[float, ...]:
    """Return numbers that stand with spaces or commas between them. Raises ShotError."""
    try:
        factors = tuple(float(word) for word in text.replace(",", " ").split())
    except ValueError:
        factors = ()
    if not factors or not all(0 <= factor < float("inf") for factor in factors):
        raise ShotError(
            "Schedule", f"expected numbers from 0 up, got {text!r}.", "Write them as 1 1 0.5."
        )
    return factors


def is_there(scene: bpy.types.Scene, ob: bpy.types.Object | None) -> bool:
    """Return whether an object that is pointed to is still in the scene."""
    return ob is not None and scene.objects.get(ob.name) == ob
