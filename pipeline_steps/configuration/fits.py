"""What fits together: sizes and networks, schedulers and models, what is learned on which base model."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline_steps.checkpoints.locations import commit_of, locate
from pipeline_steps.configuration import vocabulary
from pipeline_steps.configuration.cells import NO_MODEL, Cells
from pipeline_steps.generation.modes.table import MODES
from pipeline_steps.records.populations import SKIN_TYPE, level_text, levels_name, targets
from pipeline_steps.records.skin_scales import FITZPATRICK6, ITA, ITA_TYPE, MILK6, MONK10, why_unsound
from pipeline_steps.records.skin_types import GROUPS
from pipeline_steps.stage.mistakes import did_you_mean, none_of, spelled

_FACTOR = {"stable_diffusion": 8, "flux": 8}  # of autoencoders whose configuration is not here
_PATCH = {"stable_diffusion": 1, "flux": 2}  # latents a side of what the denoiser takes as one token


def _sizes(params: dict[str, Any], cells: Cells) -> Iterator[str]:
    """The data's images go through the autoencoder of each base model that the grid reaches."""
    size = params["ingest"]["image_size"]
    stages = ("invert_tokens", "finetune", "generate")
    for name in sorted({cell["base"] for stage in stages for cell in cells[stage].values()} - {NO_MODEL}):
        base = params["base_models"][name]
        factor, patch = autoencoder_factor(base), _PATCH[base["family"]]
        if size % (factor * patch):
            step = factor * patch
            below, above = size // step * step, -(-size // step) * step
            why = f"its autoencoder makes one latent of {factor} pixels a side"
            why += f", and its denoiser one token of {patch} latents" if patch > 1 else ""
            yield (
                f"ingest.image_size is {size}, no multiple of {step} as base model {name} needs ({why}); "
                f"set it to {f'{below} or ' if below else ''}{above}"
            )


def autoencoder_factor(base: dict[str, Any]) -> int:
    """Pixels a side that one latent of a base model stands for: by its configuration, if that is on this machine."""
    try:
        config = json.loads(_configuration(base).read_text("utf-8"))
        blocks = config["encoder_block_out_channels" if "Tiny" in config["_class_name"] else "block_out_channels"]
        return int(2 ** (len(blocks) - 1))
    except (OSError, ValueError, KeyError, TypeError):
        return _FACTOR[base["family"]]


def _configuration(base: dict[str, Any]) -> Path:
    file = "vae/config.json"
    place = locate(base["location"], base["revision"])
    if isinstance(place, Path):
        return place / file
    from huggingface_hub import try_to_load_from_cache  # late: most base models are folders

    try:
        found = try_to_load_from_cache(place.id, file, revision=commit_of(base["location"], base["revision"]))
    except RuntimeError:  # it has no pin yet
        found = None
    return Path(found) if isinstance(found, str) else Path("/nowhere")


def _names(params: dict[str, Any], _cells: Cells) -> Iterator[str]:
    for block, entry in params["grid"].items():
        for name in entry["architectures"]:
            if not vocabulary.is_network(name):
                near = did_you_mean(name, [*vocabulary.NETWORKS, *vocabulary.networks()])
                ours = ", ".join(vocabulary.NETWORKS)
                yield f"grid.{block}.architectures names {name!r}, neither {ours} nor a timm model{near}"
    encoder = params["segmenter"]["encoder"]
    if not vocabulary.is_encoder(encoder):
        yield none_of("segmenter.encoder", encoder, sorted(vocabulary.encoders()))


def _input_sizes(params: dict[str, Any], cells: Cells) -> Iterator[str]:
    """Transformers see whole patches, and a U-Net halves its images as often as it is deep."""
    size = params["classifier"]["input_size"]
    for name in sorted({cell["architecture"] for cell in cells["train_classifier"].values()}):
        if size % (patch := _patch(name, size)):
            step = 8 if name == "vit_small" else patch
            yield (
                f"classifier.input_size is {size}, and {name} would not see the rim of such images; "
                f"set it to a multiple of {step}"
            )
    size, step = params["segmenter"]["input_size"], 2 ** params["segmenter"]["depth"]
    if cells["train_segmenter"] and size % step:
        yield f"segmenter.input_size is {size}, no multiple of {step} as its depth needs"


def _patch(name: str, size: int) -> int:
    """Pixels a side of a transformer's patches, where its name says so; else 1."""
    if name == "vit_small":
        return max(1, size // 8)
    found = re.search(r"(?:vit|deit|eva|beit|cait|xcit|mixer|vitamin|dino)\w*_patch(\d+)_", name)
    return int(found[1]) if found else 1


def _words(params: dict[str, Any], _cells: Cells) -> Iterator[str]:
    sets = params["population"]["words"]
    for name, captioner in params["captioners"].items():
        if isinstance(named := captioner["level_words"], str) and named not in sets:
            yield f"{none_of(f'captioners.{name}.level_words', named, [*sets])} (the sets of population.words)"


def _schedulers(params: dict[str, Any], _cells: Cells) -> Iterator[str]:
    for name, a in params["augmenters"].items():
        if "scheduler" in a:
            yield from _scheduler(params, f"augmenters.{name}", a["base"], a)
    for name, a in params["adapters"].items():
        if a.get("prior"):
            yield from _scheduler(params, f"adapters.{name}.prior.sampler", a["base"], a["prior"]["sampler"])


def _scheduler(params: dict[str, Any], place: str, base: str, sampler: dict[str, Any]) -> Iterator[str]:
    family = params["base_models"].get(base, {}).get("family")
    known = vocabulary.schedulers(family) if family else {}
    if known and sampler["scheduler"] not in known:
        yield f"{none_of(f'{place}.scheduler', sampler['scheduler'], sorted(known))} (of those for {family})"
    elif known:
        options = vocabulary.scheduler_options(family, sampler["scheduler"]) if sampler["scheduler_options"] else ()
        for option in sorted(sampler["scheduler_options"].keys() - {*options}):
            meant = did_you_mean(option, options) or f"; it takes {', '.join(sorted(options))}"
            yield f"{place}.scheduler_options names {option!r}, which {sampler['scheduler']} does not take{meant}"


def _learned(params: dict[str, Any], cells: Cells) -> Iterator[str]:
    """What was learned on one base model is of no use to another."""
    reached = {"augmenters": {c["augmenter"] for c in cells["generate"].values()}}
    reached["adapters"] = {c["adapter"] for c in cells["finetune"].values()}
    for section, names in reached.items():
        for name in sorted(names):
            entry = params[section][name]
            for key, of in (("inversion", "inversions"), ("adapter", "adapters")):
                used = entry.get(key)
                if used and (base := params[of][used]["base"]) != entry["base"]:
                    yield (
                        f"{section}.{name}.{key} is {used}, which is learned on base model {base}, and "
                        f"{section}.{name}.base is {entry['base']}: set them to one base model"
                    )
    for name in sorted(reached["augmenters"]):
        entry = params["augmenters"][name]
        mode, adapter = MODES.get(entry["mode"]), entry.get("adapter")
        task = mode and mode.adapter_task
        if task and (adapter is None or params["adapters"][adapter]["task"] != task):
            yield f"augmenters.{name}.adapter is {spelled(adapter)}, and mode {entry['mode']} needs one of task {task}"


def _classes(params: dict[str, Any], cells: Cells) -> Iterator[str]:
    """A classifier of one class is always right."""
    if cells["train_classifier"] and len({*params["subset"]["conditions"]}) < 2:
        yield "subset.conditions names one condition: classifiers need two (or give the grid's blocks no architectures)"


def _pairs(params: dict[str, Any], cells: Cells) -> Iterator[str]:
    """A segmenter learns from images with masks."""
    for name in sorted({cell["augmenter"] for cell in cells["train_segmenter"].values()} - {""}):
        entry = params["augmenters"][name]
        if not MODES[entry["mode"]].makes_masks(entry):
            able = ", ".join(sorted(n for n, a in params["augmenters"].items() if MODES[a["mode"]].makes_masks(a)))
            yield (
                f"augmenters.{name} makes no masks (mode {entry['mode']}), and the grid trains segmenters on its "
                f"images: take one that does{f' ({able})' if able else ''}, or set the block's segmenters to []"
            )


def _homes(params: dict[str, Any], cells: Cells) -> Iterator[str]:
    """A shell makes a home of ``~``; DVC and Python take it for a folder of that name."""
    for kind, place in cells["ingest"]["reads"].items():
        if place.startswith("~"):
            whole = Path(place).expanduser() if place.startswith("~/") else "the whole path"
            yield (
                f"ingest.sources.{params['ingest']['adapter']}: {place} ({kind}) begins with ~, which only a shell "
                f"reads as your home; write {whole}"
            )


def _levels(params: dict[str, Any], cells: Cells) -> Iterator[str]:
    """Captions name every level, tokens are learned from the majority, and images are made of levels that there are."""
    levels = [level_text(level) for level in params["population"]["levels"]]
    for name in sorted(cells["caption"]):
        yield from _phrases(params, name, levels)
    for name in sorted({cell["inversion"] for cell in cells["invert_tokens"].values()}):
        yield from _templates(params, name)
    for name in sorted({cell["augmenter"] for cell in cells["generate"].values()}):
        yield from _targets(params, name, levels)


def _phrases(params: dict[str, Any], name: str, levels: list[str]) -> Iterator[str]:
    words, place = params["captioners"][name]["level_words"], f"captioners.{name}.level_words"
    if isinstance(words, str):
        return
    column = params["population"]["column"]
    yield from _unknown(place, words, levels, [*GROUPS] if column == SKIN_TYPE else [])
    if lacking := [level for level in levels if level not in {*map(level_text, words)}]:
        yield f"{place} has no phrase for {levels_name(column, lacking)}; add {_keys(lacking)}"


def _templates(params: dict[str, Any], name: str) -> Iterator[str]:
    population = params["population"]
    spoken = [level_text(level) for level in params["inversions"][name]["levels"]]
    majority = [level_text(level) for level in population["majority"]]
    if spoken and not {*spoken} & {*majority}:
        yield (
            f"inversions.{name}.templates speak of level {', '.join(spoken)}, and the majority is "
            f"{levels_name(population['column'], majority)}: write templates for these, or of nobody, and set "
            f"inversions.{name}.levels to the levels they speak of, or to []"
        )


def _targets(params: dict[str, Any], name: str, levels: list[str]) -> Iterator[str]:
    entry, place, population = params["augmenters"][name], f"augmenters.{name}", params["population"]
    wanted = [level_text(level) for level in targets(entry["target_levels"], population["minority"])]
    yield from _unknown(f"{place}.target_levels", wanted, levels)
    for key in MODES[entry["mode"]].per_level:
        if lacking := [level for level in wanted if level not in {*map(level_text, entry[key])}]:
            yield f"{place}.{key} has no entry for {levels_name(population['column'], lacking)}; add {_keys(lacking)}"


def _unknown(place: str, named: Iterable[Any], levels: list[str], groups: Sequence[str] = ()) -> Iterator[str]:
    if unknown := [str(n) for n in named if level_text(n) not in {*levels, *groups}]:
        yield f"{place} names {', '.join(unknown)}, and population.levels has {', '.join(levels)}"


def _scales(params: dict[str, Any], _cells: Cells) -> Iterator[str]:
    """A study's scale is the one that its images' skin is told on, where parameters say that one."""
    column, ingest = params["population"]["column"], params["ingest"]
    place, source = f"ingest.sources.{ingest['adapter']}", ingest["sources"][ingest["adapter"]]
    told = source["skin_scale"] if source.get("skin_type") and "skin_scale" in source else ""
    own = SKIN_TYPE if told.startswith("fitzpatrick") else told
    if told and column in {SKIN_TYPE, MONK10, MILK6} - {own, *source["attributes"]}:
        scale, wanted = (FITZPATRICK6 if c == SKIN_TYPE else c for c in (own, column))
        yield (
            f"population.column is {column}, and {place}.skin_scale is {told}: {why_unsound(scale, wanted)}. Set "
            f"population.column to {own}, or {place}.skin_type and skin_scale to a column on that scale"
        )
    if column in {ITA, ITA_TYPE} and ingest["without_images"] and told != ITA:
        yield (
            f"population.column is {column}, which audit measures on images, and ingest.without_images is true: set it "
            f"to false, or {place}.skin_scale to {ITA} where a column tells the angles"
        )


def _keys(levels: Sequence[str]) -> str:
    return f"the key{'s' if len(levels) > 1 else ''} {', '.join(levels)}"


# Each gives a line for whatever can be told to go wrong in a later stage.
LOOKS = (_sizes, _names, _input_sizes, _words, _schedulers, _learned, _classes, _pairs, _levels, _scales, _homes)
