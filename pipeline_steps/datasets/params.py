"""``ingest`` in params.yaml: which data set is read, where it lies, and how images become pixels."""

from typing import Any, Literal

from pydantic import PositiveInt, create_model, model_validator

from pipeline_steps.datasets.catalogue import DATA_SETS
from pipeline_steps.datasets.data_set import KINDS, NOTHING
from pipeline_steps.parameters.bounds import ImageSize
from pipeline_steps.stage.params import Params

_PARTS: dict[str, Any] = {name: (data_set.params | None, None) for name, data_set in DATA_SETS.items()}
Sources: Any = create_model("Sources", __base__=Params, **_PARTS)


class IngestParams(Params):
    """``adapter``: a data set of the catalogue; ``sources``: the parameters of that one, and perhaps of others.

    ``without_images``: the table alone is read, and every image counts as missing.
    """

    adapter: Literal[tuple(DATA_SETS)]  # type: ignore[valid-type]
    image_size: ImageSize
    resize: Literal["center_crop", "pad", "squash"]
    max_pixels: PositiveInt
    without_images: bool
    sources: Sources

    @model_validator(mode="after")
    def _has_its_source(self) -> "IngestParams":
        if getattr(self.sources, self.adapter) is None:
            wanted = ", ".join(DATA_SETS[self.adapter].params.model_fields)
            raise ValueError(f"sources lacks {self.adapter}, which adapter names: give it {wanted}")
        return self

    @property
    def source(self) -> Any:
        """The parameters of the data set that is read."""
        return getattr(self.sources, self.adapter)

    def reads(self) -> dict[str, str]:
        """What the data set reads, by kind: DVC watches these, and runs ``ingest`` again when one changes."""
        data_set = DATA_SETS[self.adapter]
        found = (data_set.reads_table if self.without_images else data_set.reads)(self.source)
        return {kind: str(found.get(kind) or NOTHING) for kind in KINDS}
