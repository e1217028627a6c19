"""What inversion and fine-tuning have in common, and the two losses that differ in where the gradient goes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from pipeline_steps.diffusion.conditioning import Tokens, add_tokens, prompt_ids
from pipeline_steps.diffusion.families import Family
from pipeline_steps.diffusion.hub import Components
from pipeline_steps.diffusion.latents import LatentSet
from pipeline_steps.diffusion.mask_channels import mask_loss, normalised
from pipeline_steps.diffusion.objectives import Objective, min_snr_weights, noisy, target
from pipeline_steps.parameters.adapters import MaskTerms
from pipeline_steps.records.captioned import Words
from pipeline_steps.records.slugs import placeholder
from pipeline_steps.stage.errors import DataError
from pipeline_steps.training.loop import Batch, BatchLoss, step_generator


@dataclass(frozen=True)
class DenoisingTask:
    """A frozen base and the latents to fit. ``snr_gamma`` 0 means the plain loss.

    ``masks`` (N, H, W) of 0 and 1 are needed where ``lesion_weight`` is not 1 (how much the error within a lesion
    counts) and with ``mask_terms`` (then the latents' second half is the masks'). ``conditioning_latents``
    (N, V, K, h, w): what an inpainting denoiser sees with each image, one of V regions at a time.
    """

    f: Family
    c: Components
    latents: LatentSet
    batch_size: int
    snr_gamma: float
    masks: Tensor | None = None
    lesion_weight: float = 1.0
    mask_terms: MaskTerms | None = None
    conditioning_latents: Tensor | None = None


def draw_noised(fit: DenoisingTask, rows: Tensor, rng: torch.Generator) -> Batch:
    """What is random of a batch of images ``rows``: latents of the posterior, noise, timesteps, regions; on the CPU."""
    x0 = fit.latents.draw(fit.f, fit.c, rows, rng)
    if fit.mask_terms is not None:
        image_half, mask_half = x0.chunk(2, dim=1)
        x0 = torch.cat([image_half, normalised(fit.c.denoiser, mask_half)], dim=1)
    noise = torch.randn(x0.shape, generator=rng)
    timesteps = torch.randint(len(objective_of(fit).alpha), (len(rows),), generator=rng)
    drawn = {"rows": rows, "x0": x0, "noise": noise, "timesteps": timesteps}
    return (
        drawn if fit.conditioning_latents is None else drawn | {"beside": _regions(fit.conditioning_latents, rows, rng)}
    )


def objective_of(fit: DenoisingTask) -> Objective:
    """What is trained on these latents; the noise levels depend on their size (Flux)."""
    return fit.f.objective(fit.c, fit.latents.mean)


def denoising_loss(fit: DenoisingTask, batch: Batch, embeds: Tensor) -> Tensor:
    """Mean loss of predicting the objective's target for what was drawn, under embeddings (B, L, D)."""
    c, o = fit.c, objective_of(fit)
    x0, noise, timesteps = (batch[name].to(c.device) for name in ("x0", "noise", "timesteps"))
    x_t = noisy(o, x0, noise, timesteps)
    seen = torch.cat([x_t, batch["beside"].to(x_t)], dim=1) if "beside" in batch else x_t
    predicted = fit.f.predict(c, seen.to(c.dtype), timesteps, embeds.to(c.device, c.dtype)).float()
    wanted = target(o, x0, noise, timesteps)
    halves = 1 if fit.mask_terms is None else 2
    image, *mask = (v.chunk(halves, dim=1) for v in (predicted - wanted, x_t, predicted, wanted))
    per_image = _weighted(image[0].square(), fit, batch["rows"])
    if fit.mask_terms is not None and fit.masks is not None:
        noisy_mask, predicted_mask, wanted_mask = (v[1] for v in mask)
        truth = fit.masks[batch["rows"]].to(c.device)
        parts = (noisy_mask, predicted_mask, wanted_mask, timesteps)
        per_image = per_image + mask_loss(fit.mask_terms, (fit.f, c), truth, parts)
    if fit.snr_gamma > 0:
        per_image = per_image * min_snr_weights(o, timesteps, fit.snr_gamma)
    return per_image.mean()


def _regions(conditioning_latents: Tensor, rows: Tensor, rng: torch.Generator) -> Tensor:
    """One of the regions of each image, (B, K, h, w)."""
    return conditioning_latents[rows, torch.randint(conditioning_latents.shape[1], (len(rows),), generator=rng)]


def _weighted(error: Tensor, fit: DenoisingTask, rows: Tensor) -> Tensor:
    """Mean (B,) of squared errors (B, C, h, w), those within lesions counted ``lesion_weight`` times."""
    if fit.lesion_weight == 1 or fit.masks is None:
        return error.mean(dim=(1, 2, 3))
    inside = F.interpolate(fit.masks[rows][:, None], error.shape[-2:], mode="area").to(error)
    weight = 1 + (fit.lesion_weight - 1) * inside
    return (error.mean(dim=1, keepdim=True) * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3))


@dataclass(frozen=True)
class Prior:
    """Prior preservation (Ruiz et al. 2023, eq. 2): the base's own images of ``embeds`` (L, D), and their weight."""

    fit: DenoisingTask
    embeds: Tensor
    weight: float


def adapter_loss(
    fit: DenoisingTask, captions: Sequence[Words], embeds: dict[Words, Tensor], prior: Prior | None = None
) -> BatchLoss:
    """The loss of fine-tuning the denoiser: embeddings are fixed and were computed once."""

    def draw(rng: torch.Generator) -> Batch:
        rows = torch.randint(len(captions), (fit.batch_size,), generator=rng)
        batch = draw_noised(fit, rows, rng)
        if prior is not None:
            rows = torch.randint(len(prior.fit.latents.mean), (fit.batch_size,), generator=rng)
            batch["prior"] = draw_noised(prior.fit, rows, rng)
        return batch

    def loss(batch: Batch) -> Tensor:
        own = denoising_loss(fit, batch, torch.stack([embeds[captions[r]] for r in batch["rows"]]))
        if prior is None:
            return own
        embedded = prior.embeds.expand(len(batch["rows"]), -1, -1)
        return own + prior.weight * denoising_loss(prior.fit, batch["prior"], embedded)

    return BatchLoss(draw, loss)


@torch.no_grad()
def validation_loss(fit: DenoisingTask, captions: Sequence[Words], embeds: dict[Words, Tensor], seed: int) -> float:
    """The same loss on all images with the same noise and timesteps every time it is asked."""
    losses, count = 0.0, len(captions)
    for start in range(0, count, fit.batch_size):
        rows = torch.arange(start, min(start + fit.batch_size, count))
        batch = torch.stack([embeds[captions[r]] for r in rows])
        drawn = draw_noised(fit, rows, step_generator(seed, start))
        losses += float(denoising_loss(fit, drawn, batch)) * len(rows)
    return losses / max(count, 1)


@dataclass(frozen=True)
class Inversion:
    """Textual inversion (Gal et al. 2022) of several conditions at once."""

    conditions: tuple[str, ...]
    vectors: int
    initializer_token: str
    templates: tuple[str, ...]


def start_tokens(c: Components, how: Inversion) -> Tokens:
    """Placeholders that begin as copies of the initializer token's embedding; teaches them to ``c``.

    Raises:
        DataError: the initializer is not a single token of the vocabulary.
    """
    ids = c.tokenizer.encode(how.initializer_token, add_special_tokens=False)
    if len(ids) != 1:
        raise DataError(f"initializer_token {how.initializer_token!r} is {len(ids)} tokens; choose a word that is one")
    row = c.text_encoder.get_input_embeddings().weight[ids[0]].detach().float().cpu()
    start = {condition: (placeholder(condition), row.repeat(how.vectors, 1).clone()) for condition in how.conditions}
    tokens = Tokens(start)
    add_tokens(c, tokens)
    return tokens


def inversion_loss(
    fit: DenoisingTask, tokens: Tokens, conditions: Sequence[str], how: Inversion
) -> tuple[list[Tensor], BatchLoss]:
    """The trainable vectors, one (k, D) a condition, and the loss that reaches them through the text encoder."""
    learned = [vectors.to(fit.c.device).requires_grad_() for _, vectors in tokens.vectors.values()]
    first_id = len(fit.c.tokenizer) - sum(len(v) for v in learned)

    def substitute(_module: torch.nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        ids, rows = inputs[0], torch.cat(learned)
        # Not rows[...]: the gradient of indexing adds up in the threads' order, so bits would differ between runs.
        own = F.embedding((ids - first_id).clamp_min(0), rows).to(output)
        return torch.where((ids >= first_id)[..., None], own, output)

    fit.c.text_encoder.get_input_embeddings().register_forward_hook(substitute)

    def draw(rng: torch.Generator) -> Batch:
        rows = torch.randint(len(conditions), (fit.batch_size,), generator=rng)
        forms = torch.randint(len(how.templates), (fit.batch_size,), generator=rng)
        chosen = zip(rows.tolist(), forms.tolist(), strict=True)
        prompts = [how.templates[form].replace("{token}", tokens.name(conditions[row])) for row, form in chosen]
        return {"ids": prompt_ids(fit.c, prompts), **draw_noised(fit, rows, rng)}

    def loss(batch: Batch) -> Tensor:
        return denoising_loss(fit, batch, fit.f.embed(fit.c, batch["ids"]))

    return learned, BatchLoss(draw, loss)
