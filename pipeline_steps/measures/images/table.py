"""All measures of generated images, in the order of metrics files and tables.

``score_fid`` computes the ``DISTANCES``, from features; the report reads those that are ``COUNTED``.
"""

from pipeline_steps.measures.images.counted import CONCEPTS, MEMORISED, REJECTED, Counted
from pipeline_steps.measures.images.frechet import FRECHET, Distance
from pipeline_steps.measures.images.kernel import KERNEL
from pipeline_steps.measures.images.manifold import PRECISION, RECALL

DISTANCES: tuple[Distance, ...] = (FRECHET, KERNEL, PRECISION, RECALL)
COUNTED: tuple[Counted, ...] = (CONCEPTS, MEMORISED, REJECTED)
