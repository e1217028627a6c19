"""Diffusers' example scripts, run where they lie: only their progress bar is replaced, which tells when a step ends."""

import importlib.util
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

LORA = "examples/text_to_image/train_text_to_image_lora.py"
INVERSION = "examples/textual_inversion/textual_inversion.py"


class StepTimes:
    """Stands for tqdm in a script: it keeps when each step ended."""

    ends: list[float]

    def __init__(self, *_args: Any, **_named: Any) -> None:
        StepTimes.ends = []

    def update(self, _count: int) -> None:
        """A step ended."""
        StepTimes.ends.append(time.perf_counter())

    def set_postfix(self, **_values: float) -> None:
        """Nothing is shown."""


class TinyAutoencoder:
    """AutoencoderTiny under the name by which the scripts load an AutoencoderKL: its latents are drawn as they are."""

    @staticmethod
    def from_pretrained(folder: str, subfolder: str, **_options: Any) -> Any:
        """The tiny autoencoder in ``folder``."""
        from diffusers import AutoencoderTiny

        vae = AutoencoderTiny.from_pretrained(Path(folder) / subfolder)
        encode = vae.encode

        def encoded(pixels: Any) -> Any:
            latents = encode(pixels).latents
            return SimpleNamespace(latent_dist=SimpleNamespace(sample=lambda: latents))

        vae.encode = encoded
        return vae


def load_script(diffusers: Path, name: str, *, tiny: bool) -> ModuleType:
    """The script as a module, its bar and (where ``tiny``) its autoencoder replaced."""
    spec = importlib.util.spec_from_file_location(Path(name).stem, diffusers / name)
    assert spec is not None and spec.loader is not None  # noqa: PT018
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.tqdm = StepTimes  # type: ignore[attr-defined]
    if tiny:
        module.AutoencoderKL = TinyAutoencoder  # type: ignore[attr-defined]
    return module


def ends_of_steps(script: ModuleType, options: dict[str, Any]) -> list[float]:
    """Run the script with ``options``; when each of its steps ended."""
    before = sys.argv
    sys.argv = [script.__name__, *(f"--{name}={value}" for name, value in options.items())]
    try:
        script.main()
    finally:
        sys.argv = before
    return StepTimes.ends
