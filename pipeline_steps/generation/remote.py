"""Images edited by a model behind an OpenAI-compatible image-edit endpoint (Sagers et al. 2022 used DALL-E 2).

Each source is sent with a mask of what is to be painted. An image is paid once: it is stored by the source's pixels,
mask, prompt and model as soon as it is here (``items.replies``). **Photographs leave the machine** where ``base_url``
is elsewhere. The cost of all images is printed, and compared with the budget, before the first request.
"""

import base64
import binascii
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image

from pipeline_steps.generation.jobs import GeneratedImages, Inputs, Job
from pipeline_steps.generation.modes.remote_edit import RemoteEditParams
from pipeline_steps.items.paid import Budget, Service, ServiceParams, connect
from pipeline_steps.items.replies import Replies, ReplyKey, default_replies, server_of
from pipeline_steps.items.store import Derived, item_key
from pipeline_steps.pixels.images import Photograph, digest, mask_png, png_bytes, read_image
from pipeline_steps.pixels.masks import dilate, paste
from pipeline_steps.records.captioned import read_captions
from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.stage.errors import BadImageError, DataError
from pipeline_steps.stage.progress import Track

_CODE = "2"  # of stored images; not the code's digest, for what was paid stays good
_MAX_PIXELS = 100_000_000  # of a reply


def remote_edit(params: RemoteEditParams, inputs: Inputs, jobs: Sequence[Job], _train: pd.DataFrame) -> GeneratedImages:
    """Every source with a part painted anew by the service, for its target level.

    Raises:
        DataError: the budget would not do, the service refuses, or some images got no answer (what came is kept).
    """
    dataset, captions, paid = open_dataset(inputs.dataset), read_captions(inputs.captions), default_replies()
    ids = [j.source_id for j in jobs]
    images, masks = dataset.images(ids), dataset.masks_of(ids)

    def region(i: int) -> npt.NDArray[np.bool_]:
        lesion = dilate(masks[i], params.grow)
        return lesion if params.region == "lesion" else ~lesion

    prompts = [captions.prompt(j.source_id, j.condition, j.target_level).text for j in jobs]
    keys = [_key(params, images.digests[i], region(i), prompts[i], job) for i, job in enumerate(jobs)]
    todo = {key: i for i, key in enumerate(keys) if paid.get(key) is None}
    if todo:
        _check_cost(params, len(todo))
        _ask_all(params, paid, todo, lambda i: _Request(images[i], region(i), prompts[i]))
    side, notes = dataset.side, Counter[str]()
    for key in keys:  # before anything is written, whether all can be read
        notes.update(_read(paid, key, side).notes)
    for note, n in notes.items():
        print(f"{n} of the service's {len(keys)} images: {note}", flush=True)

    def made(i: int) -> bytes:
        answered = _read(paid, keys[i], side).pixels
        return png_bytes(paste(images[[i]], answered[None], region(i)[None], params.feather)[0])

    maker = f"`{params.model}` behind an image-edit endpoint"
    kept = Derived(len(jobs), lambda i: mask_png(masks[i])) if params.region == "surroundings" else ()
    origin, counts = [{"model": params.model}] * len(jobs), (len(keys) - len(todo), len(todo))
    return GeneratedImages(Derived(len(jobs), made), prompts, origin, maker, *counts, kept)


def _key(params: RemoteEditParams, image: str, region: npt.NDArray[np.bool_], prompt: str, job: Job) -> ReplyKey:
    """``image``: the digest of its pixels."""
    request = item_key(
        "remote edit",
        _CODE,
        region=digest(region),
        prompt=prompt,
        copy=job.copy,
        seed=job.seed,
        server=server_of(params.base_url),
        model=params.model,
        size=params.size,
    )
    return ReplyKey(image, request)


def _check_cost(params: RemoteEditParams, images: int) -> None:
    """Print what so many images will cost.

    Raises:
        DataError: it is more than the budget.
    """
    cost = images * params.budget.price_of_image
    print(f"{images} images to ask {params.model} at {params.base_url} for, at a cost of {cost:.2f}", flush=True)
    if cost > params.budget.cost > 0 or images > params.budget.requests:
        raise DataError(
            f"{images} images would cost {cost:.2f}, the budget is {params.budget.requests} requests and a cost of "
            f"{params.budget.cost:.2f}; nothing was sent: raise the augmenter's budget, or lower max_sources"
        )


@dataclass(frozen=True)
class _Request:
    """What is sent for one image: its pixels, where to paint, and the prompt."""

    image: npt.NDArray[np.uint8]
    region: npt.NDArray[np.bool_]
    prompt: str


def _ask_all(
    params: RemoteEditParams, paid: Replies, todo: Mapping[ReplyKey, int], request_of: Callable[[int], _Request]
) -> None:
    """Ask for all images at the positions ``todo`` and store what comes.

    Raises:
        DataError: the service refuses, the budget is used up, or some images got no answer.
    """
    named = {name: getattr(params, name) for name in ServiceParams.model_fields}
    service = connect(ServiceParams(**named), Budget(params.budget.requests, params.budget.cost))
    with ThreadPoolExecutor(params.concurrency) as pool:
        ask = partial(_ask, params, service, paid)
        running = [pool.submit(lambda key, i: ask(key, request_of(i)), key, i) for key, i in todo.items()]
        try:
            failed = [why for job in Track(as_completed(running), "edits", len(running)) if (why := job.result())]
        finally:
            pool.shutdown(cancel_futures=True)
    if failed:
        raise DataError(
            f"{len(failed)} of {len(todo)} images got no answer ({failed[0]}); what came is kept: run again to go on"
        )


def _ask(params: RemoteEditParams, service: Service, paid: Replies, key: ReplyKey, request: _Request) -> str:
    """Store the service's image under ``key``; empty, or why there is none."""
    extra: Any = {"response_format": params.response_format} if params.response_format else {}
    image, mask = _request_images(request.image, request.region, params.size)
    reply = service.ask(
        lambda api: api.images.edit(
            model=params.model,
            prompt=request.prompt,
            image=("image.png", image),
            mask=("mask.png", mask),
            n=1,
            size=f"{params.size}x{params.size}",  # type: ignore[arg-type]
            **extra,
        )
    )
    if isinstance(reply, str):
        return reply
    service.budget.pay(params.budget.price_of_image)
    encoded = reply.data[0].b64_json if reply.data else None
    if not encoded:
        return "a reply without an image"
    try:
        paid.put(key, base64.b64decode(encoded))
    except binascii.Error:
        return "a reply whose image is not base64"
    return ""


def _request_images(
    image: npt.NDArray[np.uint8], region: npt.NDArray[np.bool_], size: int
) -> tuple[io.BytesIO, io.BytesIO]:
    """Image and mask as the endpoint takes them: square PNG files; the mask is transparent where to paint."""
    picture = Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)
    alpha = Image.fromarray(np.where(region, 0, 255).astype(np.uint8)).resize((size, size), Image.Resampling.NEAREST)
    masked = picture.copy()
    masked.putalpha(alpha)
    files = io.BytesIO(), io.BytesIO()
    picture.save(files[0], "PNG")
    masked.save(files[1], "PNG")
    for file in files:
        file.seek(0)
    return files


def _read(paid: Replies, key: ReplyKey, size: int) -> Photograph:
    """The service's image at the data's size, in the data's colours.

    Raises:
        DataError: what was paid is no image.
    """
    stored = paid.get(key)
    assert stored is not None
    try:
        return read_image(io.BytesIO(stored), size, "squash", _MAX_PIXELS)
    except BadImageError as error:
        raise DataError(
            f"the service sent something that is no image ({len(stored)} bytes; {error}); look at {paid.path(key)}, "
            "and delete it to ask (and pay) again"
        ) from None
