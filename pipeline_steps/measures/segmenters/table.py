"""All measures of segmenters; the first is the one that the report gives by level.

The functions stand in files of their own: training chooses by one of them, and must not run again for a heading.
"""

from collections.abc import Callable

from pipeline_steps.measures.measure import Measure
from pipeline_steps.measures.segmenters.overlap import Floats, Masks, dice, iou

OfSegmenter = Measure[Callable[[Masks, Masks], Floats]]

DICE = OfSegmenter("dice", "Dice", dice, (0, 1), "higher", unit="", digits=3, summary=True)
IOU = OfSegmenter("iou", "IoU", iou, (0, 1), "higher", unit="", digits=3)
SEGMENTERS: tuple[OfSegmenter, ...] = (DICE, IOU)
