"""What inversion and fine-tuning have in common, and the two losses that differ in where the gradient goes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from pipeline_steps.diffusion.conditioning import Tokens, add_tokens, placeholder_for, prompt_ids
from pipeline_steps.diffusion.families import Family
from pipeline_steps.diffusion.hub import Components
from pipeline_steps.diffusion.latents import LatentSet
from pipeline_steps.diffusion.loop import BatchLoss, step_generator
from pipeline_steps.diffusion.mask_channels import MaskTerms, mask_loss, normalised
from pipeline_steps.diffusion.objectives import min_snr_weights, noisy, target
from pipeline_steps.records.captioned import Words
from pipeline_steps.records.errors import DataError


@dataclass(frozen=True)
class Fit:
    """A frozen base and the latents to fit. ``snr_gamma`` 0 means the plain loss.

    ``masks`` (N, H, W) of 0 and 1 are needed where ``lesion_weight`` is not 1 (how much the error within a lesion
    counts) and with ``mask_terms`` (then the latents' second half is the masks'). ``beside`` (N, V, K, h, w): what an
    inpainting denoiser sees with each image, one of V regions at a time.
    """

    f: Family
    c: Components
    latents: LatentSet
    batch_size: int
    snr_gamma: float
    masks: Tensor | None = None
    lesion_weight: float = 1.0
    mask_terms: MaskTerms | None = None
    beside: Tensor | None = None


def denoising_loss(fit: Fit, rows: Tensor, embeds: Tensor, rng: torch.Generator) -> Tensor:
    """Mean loss of predicting the objective's target on images ``rows`` under embeddings (B, L, D)."""
    c, o = fit.c, fit.f.objective(fit.c, fit.latents.mean)  # the noise levels depend on the latents' size (Flux)
    x0 = fit.latents.draw(fit.f, c, rows, rng)
    if fit.mask_terms is not None:
        image_half, mask_half = x0.chunk(2, dim=1)
        x0 = torch.cat([image_half, normalised(c.denoiser, mask_half)], dim=1)
    noise = torch.randn(x0.shape, generator=rng)
    timesteps = torch.randint(len(o.alpha), (len(rows),), generator=rng)
    x0, noise, timesteps = x0.to(c.device), noise.to(c.device), timesteps.to(c.device)
    x_t = noisy(o, x0, noise, timesteps)
    seen = x_t if fit.beside is None else torch.cat([x_t, _regions(fit.beside, rows, rng).to(x_t)], dim=1)
    predicted = fit.f.predict(c, seen.to(c.dtype), timesteps, embeds.to(c.device, c.dtype)).float()
    wanted = target(o, x0, noise, timesteps)
    halves = 1 if fit.mask_terms is None else 2
    image, *mask = (v.chunk(halves, dim=1) for v in (predicted - wanted, x_t, predicted, wanted))
    per_image = _weighted(image[0].square(), fit, rows)
    if fit.mask_terms is not None and fit.masks is not None:
        noisy_mask, predicted_mask, wanted_mask = (v[1] for v in mask)
        truth = fit.masks[rows].to(c.device)
        parts = (noisy_mask, predicted_mask, wanted_mask, timesteps)
        per_image = per_image + mask_loss(fit.mask_terms, (fit.f, c), truth, parts)
    if fit.snr_gamma > 0:
        per_image = per_image * min_snr_weights(o, timesteps, fit.snr_gamma)
    return per_image.mean()


def _regions(beside: Tensor, rows: Tensor, rng: torch.Generator) -> Tensor:
    """One of the regions of each image, (B, K, h, w)."""
    return beside[rows, torch.randint(beside.shape[1], (len(rows),), generator=rng)]


def _weighted(error: Tensor, fit: Fit, rows: Tensor) -> Tensor:
    """Mean (B,) of squared errors (B, C, h, w), those within lesions counted ``lesion_weight`` times."""
    if fit.lesion_weight == 1 or fit.masks is None:
        return error.mean(dim=(1, 2, 3))
    inside = F.interpolate(fit.masks[rows][:, None], error.shape[-2:], mode="area").to(error)
    weight = 1 + (fit.lesion_weight - 1) * inside
    return (error.mean(dim=1, keepdim=True) * weight).sum(dim=(1, 2, 3)) / weight.sum(dim=(1, 2, 3))


@dataclass(frozen=True)
class Prior:
    """Prior preservation (Ruiz et al. 2023, eq. 2): the base's own images of ``embeds`` (L, D), and their weight."""

    fit: Fit
    embeds: Tensor
    weight: float


def adapter_loss(
    fit: Fit, captions: Sequence[Words], embeds: dict[Words, Tensor], prior: Prior | None = None
) -> BatchLoss:
    """The loss of fine-tuning the denoiser: embeddings are fixed and were computed once."""

    def batch_loss(rng: torch.Generator, part: int, parts: int) -> Tensor:
        rows = torch.randint(len(captions), (fit.batch_size,), generator=rng).chunk(parts)[part]
        loss = denoising_loss(fit, rows, torch.stack([embeds[captions[r]] for r in rows]), rng)
        if prior is None:
            return loss
        rows = torch.randint(len(prior.fit.latents.mean), (fit.batch_size,), generator=rng).chunk(parts)[part]
        return loss + prior.weight * denoising_loss(prior.fit, rows, prior.embeds.expand(len(rows), -1, -1), rng)

    return batch_loss


@torch.no_grad()
def validation_loss(fit: Fit, captions: Sequence[Words], embeds: dict[Words, Tensor], seed: int) -> float:
    """The same loss on all images with the same noise and timesteps every time it is asked."""
    losses, count = 0.0, len(captions)
    for start in range(0, count, fit.batch_size):
        rows = torch.arange(start, min(start + fit.batch_size, count))
        batch = torch.stack([embeds[captions[r]] for r in rows])
        losses += float(denoising_loss(fit, rows, batch, step_generator(seed, start))) * len(rows)
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
    start = {
        condition: (placeholder_for(condition), row.repeat(how.vectors, 1).clone()) for condition in how.conditions
    }
    tokens = Tokens(start)
    add_tokens(c, tokens)
    return tokens


def inversion_loss(
    fit: Fit, tokens: Tokens, conditions: Sequence[str], how: Inversion
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

    def batch_loss(rng: torch.Generator, part: int, parts: int) -> Tensor:
        rows = torch.randint(len(conditions), (fit.batch_size,), generator=rng)
        forms = torch.randint(len(how.templates), (fit.batch_size,), generator=rng)
        chosen = [(r, how.templates[f]) for r, f in zip(rows.tolist(), forms.tolist(), strict=True)]
        mine = chosen[part::parts]
        prompts = [form.replace("{token}", tokens.name(conditions[r])) for r, form in mine]
        embeds = fit.f.embed(fit.c, prompt_ids(fit.c, prompts))
        return denoising_loss(fit, torch.tensor([r for r, _ in mine]), embeds, rng)

    return learned, batch_loss
