"""What was studied, on whom, and how arms were made comparable."""

from pipeline_steps.records.skin_scales import ITA, ITA_TYPE
from pipeline_steps.reporting.blocks import Block, Words
from pipeline_steps.reporting.findings import Findings
from pipeline_steps.reporting.results import read_json
from pipeline_steps.reporting.study import METRICS, Study

_PHANTOM = (
    "**Phantom results.** Images are rendered, models are small: the numbers test the method's logic in miniature. "
    "They say nothing about patients."
)
_ESTIMATED = {
    ITA: "It tells the colour in a photograph, which light and camera shape, too.",
    ITA_TYPE: "**Nobody assigned these types**: ITA tells a colour, which light and camera shape, too, in photographs; "
    "Fitzpatrick's scale tells how skin reacts to sun.",
}
_PAPERS = " The paper's figures (grey) are on Fitzpatrick17k with full-size models."


def introduction(f: Findings) -> list[Block]:
    """Before the first heading."""
    study, classifiers = f.study, set(f.r.classifiers["cell"]) if len(f.r.classifiers) else set()
    images, subset = read_json(METRICS / "ingest.json")["images"], read_json(METRICS / "subset.json")
    augmenters = sorted({c["augmenter"] for c in f.cells["generate"].values()})
    lines = [
        f"{images['present']} images ({images['missing']} missing, {images['quarantined']} quarantined),",
        f"policy `{subset['policy']}`; {len(classifiers)} classifiers,",
        f"{len(augmenters)} augmenters: {', '.join(augmenters)}.",
        f"Majority: {study.named(study.majority)}; minority: {study.named(study.minority)}.",
    ]
    if study.levelled:
        lines.append("Of some images the group of skin types is all that is known, so all count by their group.")
    if "ita" in subset:
        lines.append(f"{study.noun[0].upper()}{study.noun[1:]}: ITA is {subset['ita']}. {_ESTIMATED[study.column]}")
    if other := beyond(study, {name: f.augmenters[name]["target_levels"] for name in augmenters}):
        lines.append(f"Asked for other levels than the minority's: {'; '.join(other)}.")
    lines.append(
        "Every arm of a classifier gets the same number of updates; checkpoints are chosen on validation; the test "
        "split was opened by `evaluate` alone."
    )
    phantom = [Words(_PHANTOM + (_PAPERS if study.papers else ""), note=True)] if study.rendered else []
    return [*phantom, Words(" ".join(lines))]


def beyond(study: Study, targets: dict[str, tuple[str, ...]]) -> list[str]:
    """Augmenters that are asked for levels which are not the minority's, with these."""
    found = {name: set(levels) - set(study.minority) for name, levels in targets.items()}
    return [f"{name}: {study.named(levels)}" for name, levels in found.items() if levels]
