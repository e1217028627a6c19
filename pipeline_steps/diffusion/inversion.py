"""Textual inversion: tokens of several conditions, learned through the text encoder (Gal et al. 2022)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from pipeline_steps.diffusion.conditioning import Tokens, add_tokens, prompt_ids
from pipeline_steps.diffusion.denoising import DenoisingTask, denoising_loss, draw_noised
from pipeline_steps.diffusion.hub import Components
from pipeline_steps.records.slugs import placeholder
from pipeline_steps.stage.errors import DataError
from pipeline_steps.training.batches import Batch, BatchLoss


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
    task: DenoisingTask, tokens: Tokens, conditions: Sequence[str], how: Inversion
) -> tuple[list[Tensor], BatchLoss]:
    """The trainable vectors, one (k, D) a condition, and the loss that reaches them through the text encoder."""
    learned = [vectors.to(task.c.device).requires_grad_() for _, vectors in tokens.vectors.values()]
    first_id = len(task.c.tokenizer) - sum(len(v) for v in learned)

    def substitute(_module: torch.nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        ids, rows = inputs[0], torch.cat(learned)
        # Not rows[...]: the gradient of indexing adds up in the threads' order, so bits would differ between runs.
        own = F.embedding((ids - first_id).clamp_min(0), rows).to(output)
        return torch.where((ids >= first_id)[..., None], own, output)

    task.c.text_encoder.get_input_embeddings().register_forward_hook(substitute)

    def draw(rng: torch.Generator) -> Batch:
        rows = torch.randint(len(conditions), (task.batch_size,), generator=rng)
        forms = torch.randint(len(how.templates), (task.batch_size,), generator=rng)
        chosen = zip(rows.tolist(), forms.tolist(), strict=True)
        prompts = [how.templates[form].replace("{token}", tokens.name(conditions[row])) for row, form in chosen]
        return {"ids": prompt_ids(task.c, prompts), **draw_noised(task, rows, rng)}

    def loss(batch: Batch) -> Tensor:
        return denoising_loss(task, batch, task.f.embed(task.c, batch["ids"]))

    return learned, BatchLoss(draw, loss)
