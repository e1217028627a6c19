"""How often is the measured skin type the annotated one? ``python -m benchmarks.skin_tone`` writes docs/skin_tone.md.

On phantoms, whose type is drawn, and on PAD-UFES-20's photographs (folder from ``EQUIDERM_REAL_DATA``), types as its
table has them: the border as it is, skin pixels of the border, and skin outside of the lesion.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline_steps.datasets.data_set import Decoding
from pipeline_steps.datasets.pad_ufes_20 import PAD_UFES_20, PadUfes20
from pipeline_steps.datasets.phantom.conditions import CONDITIONS
from pipeline_steps.datasets.phantom.render import render_condition
from pipeline_steps.features.tone_agreement import Agreement, Sides, agreement
from pipeline_steps.pixels.ita import border_ita, skin_itas, skin_pixels, types_from_itas
from pipeline_steps.records.skin_types import FITZPATRICK_TYPES, ROMAN

PAGE = Path("docs/skin_tone.md")
DATA = Path(os.environ.get("EQUIDERM_REAL_DATA", "../shared/data"))
SIZE = 256  # pixels, as the profile pad_ufes decodes them
TOLERANCE = 2  # screen.tone_tolerance


@dataclass(frozen=True)
class Known:
    """Images with lesion masks and their annotated types; ``groups``: patients, or single phantoms."""

    images: np.ndarray
    masks: np.ndarray
    types: np.ndarray
    groups: list[str]
    sides: Sides


MEASURES: dict[str, Callable[[Known], np.ndarray]] = {
    "the border as it is (before)": lambda k: border_ita(k.images),
    "skin pixels of the border (images without masks)": lambda k: skin_itas(k.images),
    "skin pixels outside of the lesion (images with masks)": lambda k: skin_itas(k.images, k.masks),
}


def phantoms(each: int = 20) -> Known:
    """``each`` phantoms of every condition and type."""
    cells = [(c, t, i) for c in sorted(CONDITIONS) for t in FITZPATRICK_TYPES for i in range(each)]
    drawn = [render_condition(c, t, 600_000_000 + 1000 * n + i) for n, (c, t, i) in enumerate(cells)]
    masks = np.stack([np.asarray(d.mask) for d in drawn])
    sides = Sides(frozenset({1, 2}), frozenset({5, 6}))
    names = [str(n) for n in range(len(cells))]
    return Known(np.stack([d.image for d in drawn]), masks, np.array([t for _, t, _ in cells]), names, sides)


def photographs() -> Known:
    """PAD-UFES-20's photographs of known type, as the adapter reads them."""
    source = PAD_UFES_20.read(
        PadUfes20(folder=DATA / "pad_ufes_20", attributes=()), Decoding(SIZE, "center_crop", 10**8)
    )
    rows = source.table[source.table["fitzpatrick_scale"].notna()]
    loaded = [source.load(i) for i in rows.index]
    none = np.zeros((SIZE, SIZE), bool)
    masks = np.stack([none if one.mask is None else one.mask for one in loaded])
    types = rows["fitzpatrick_scale"].to_numpy(np.int64)
    sides = Sides(frozenset({1, 2}), frozenset({3, 4, 5}))
    return Known(np.stack([one.pixels for one in loaded]), masks, types, list(rows["patient_id"]), sides)


def table(known: Known) -> str:
    """A row a measure and type."""
    lines = [
        "| measure | type | images | groups | unmeasured | exact, % | misjudged, % | right side, % | median ITA |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for words, measure in MEASURES.items():
        ita = measure(known)
        found = agreement(known.types, types_from_itas(ita), known.groups, TOLERANCE, known.sides)
        for name, row in found.items():
            mine = ita if name == "all" else ita[known.types == int(name)]
            shown = "**all**" if name == "all" else ROMAN[int(name)]
            lines.append(f"| {words} | {shown} | {_cells(row)} | {np.nanmedian(mine):.0f} |")
    return "\n".join(lines)


def _cells(row: Agreement) -> str:
    shares = " | ".join(f"{100 * v:.0f}" for v in (row.exact, row.misjudged, row.right_side))
    return f"{row.images} | {row.groups} | {row.unmeasured} | {shares}"


def _association(known: Known) -> str:
    """Pearson correlation of ITA and annotated type, a measure each."""
    said = []
    for words, measure in MEASURES.items():
        ita = measure(known)
        seen = ~np.isnan(ita)
        said.append(f"{words} {np.corrcoef(ita[seen], known.types[seen])[0, 1]:+.2f}")
    return "; ".join(said)


def _commonest(known: Known) -> str:
    types, counts = np.unique(known.types, return_counts=True)
    commonest = f"{ROMAN[int(types[counts.argmax()])]} would be exact on {100 * counts.max() / counts.sum():.0f} %"
    majority = np.isin(known.types, sorted(known.sides.majority)).mean()
    return f"always saying {commonest} and always saying one side right on {100 * max(majority, 1 - majority):.0f} %"


def _kept(known: Known) -> str:
    """Share of pixels outside of the lesion that the filter takes for skin, by type."""
    shares = {
        t: np.mean([skin_pixels(i)[~m].mean() for i, m in zip(known.images[mine], known.masks[mine], strict=True)])
        for t in FITZPATRICK_TYPES
        if (mine := known.types == t).any()
    }
    return ", ".join(f"{ROMAN[t]} {100 * share:.0f} %" for t, share in shares.items())


def main() -> None:
    """Measure and write the page."""
    drawn, real = phantoms(), photographs()
    PAGE.write_text(
        f"""# Is the measured skin tone the annotated type?

Made by `./run python -m benchmarks.skin_tone`. The measure: ITA of the median CIELAB colour, and the type whose band
holds it. Misjudged: further than {TOLERANCE} types off (`screen.tone_tolerance`). Right side: nearer to the same of
majority and minority. Skin pixels: Chai and Ngan's rule of chrominance (1999), in `pipeline_steps/pixels/ita.py`.

**On phantoms it is; on photographs it is not, wherever it is measured.** To look at skin alone, outside of the lesion,
mends the place. It does not mend light and camera, and Fitzpatrick's scale describes reaction to sun, not colour.

## {len(real.types)} photographs of PAD-UFES-20, types as annotated

{table(real)}

Without looking, {_commonest(real)}. Correlation of ITA with the type: {_association(real)}.
Share of pixels outside of the lesion that pass as skin: {_kept(real)}.

## {len(drawn.types)} phantoms, types as drawn

{table(drawn)}

Share of pixels outside of the lesion that pass as skin: {_kept(drawn)}.
No photograph of type VI was at hand, and one of type V: whether the rule keeps very dark skin in photographs is not
shown here. Skin as dark as RGB (35, 28, 25) has too little chroma to pass. An image with less than 1 % of skin pixels
is counted as unmeasured, and not rejected.

## What `screen` makes of it

Generated and real images (train, validation and reference; never the test split) are measured in the same way;
`metrics/screen` and the report say how the real ones come out, the metrics per type. An image is rejected for its tone
only where at most `screen.tone_largest_error` of the real images of the wanted type, and of all, would be: not by the
share that was seen, but by its upper 95 % bound, a group counting once (Clopper and Pearson 1934). A tenth takes 29
groups without an error, so where a type is rare the measure rejects nothing. With the shares above nothing is rejected
on PAD-UFES-20, and the metrics say why.
""",
        "utf-8",
    )


if __name__ == "__main__":
    main()
