"""Fetch the Fitzpatrick17k images that the local folder lacks: ``python -m pipeline_steps.download``.

A command, not a stage: what a network gives is no function of its inputs. It reads ``ingest.sources.fitzpatrick17k``
and ``subset.conditions`` of params.yaml, resumes where it stopped, and reports what is gone.
"""

import sys

from pipeline_steps.datasets import fitzpatrick17k
from pipeline_steps.parameters.ingest import IngestParams
from pipeline_steps.parameters.subset import SubsetParams
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.params import ParamsError, read_params


def main() -> None:
    """Command line."""
    try:
        source = read_params(IngestParams, "ingest").sources.fitzpatrick17k
        conditions = set(read_params(SubsetParams, "subset").conditions)
        source.images.mkdir(parents=True, exist_ok=True)
        counts = fitzpatrick17k.download(source.csv, source.images, conditions)
    except (ParamsError, DataError) as error:
        sys.exit(f"error: {error}")
    print(", ".join(f"{n} {kind}" for kind, n in counts.items()), f"in {source.images}")


if __name__ == "__main__":
    main()
