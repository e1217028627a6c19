"""Data sets as ``ingest`` leaves them, of pixels that a test has."""

from pipeline_steps.pixels.images import digest
from pipeline_steps.records.image_files import IMAGES, MASKS, write_image
from pipeline_steps.records.manifest import open_dataset


def write_data_set(folder, manifest, images, masks=None):
    """Images (N, H, W, 3), and masks (N, H, W) if there are any, with the manifest that names them."""
    digests = [digest(image) for image in images]
    drawn = [""] * len(images) if masks is None else [digest(mask) for mask in masks]
    for image, one in zip(images, digests, strict=True):
        write_image(folder, IMAGES, one, image)
    for mask, one in zip(masks if masks is not None else [], drawn, strict=False):
        write_image(folder, MASKS, one, mask)
    named = manifest.assign(sha256=digests, mask_sha256=drawn, has_mask=masks is not None)
    named.to_parquet(folder / "manifest.parquet")
    return open_dataset(folder)
