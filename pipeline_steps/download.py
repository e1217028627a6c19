"""Fetch the Fitzpatrick17k images that the local folder lacks: ``python -m pipeline_steps.download``.

A command, not a stage: what a network gives is no function of its inputs. It reads ``ingest.sources.fitzpatrick17k``
or ``fitzpatrick17k_c``, whichever ``ingest.adapter`` names, and ``subset.conditions`` of params.yaml, resumes where it
stopped, checks each file against its MD5 and reports what is gone.
"""

import argparse
import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from pipeline_steps.datasets.downloads import table_rows
from pipeline_steps.datasets.params import IngestParams
from pipeline_steps.parameters.subset import SubsetParams
from pipeline_steps.stage.command import arguments, errors_in_a_line
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.outputs import atomic_file
from pipeline_steps.stage.params import ParamsError, read_params
from pipeline_steps.stage.progress import Track

log = logging.getLogger(__name__)
_TRANSIENT = (httpx.TimeoutException, httpx.NetworkError)
_SETS = {  # where the table comes from
    "fitzpatrick17k": "https://github.com/mattgroh/fitzpatrick17k",
    "fitzpatrick17k_c": "Fitzpatrick17k-C on Zenodo",
}


def download(csv: Path, images: Path, labels: set[str], workers: int = 4) -> dict[str, int]:
    """Fetch what the folder lacks of ``labels`` (all where empty); counts of present, fetched, gone, wrong.

    Files appear only when their MD5 fits, so an interrupted run goes on where it stopped.
    """
    rows = [cells for _, cells in table_rows(csv, ["md5hash", "url", "label"])]
    wanted = [row for row in rows if not labels or row["label"] in labels]
    todo = [(row["md5hash"], row["url"]) for row in wanted if not (images / f"{row['md5hash']}.jpg").exists()]
    print(f"{len(todo)} of {len(wanted)} images to fetch into {images}", flush=True)
    with httpx.Client(timeout=30, follow_redirects=True) as client, ThreadPoolExecutor(workers) as pool:
        outcomes = list(Track(pool.map(lambda job: _fetch(client, images, *job), todo), "download", len(todo)))
    counts = {kind: outcomes.count(kind) for kind in ("fetched", "gone", "wrong", "no url")}
    return {"present": len(wanted) - len(todo), **counts}


def _fetch(client: httpx.Client, images: Path, md5: str, url: str) -> str:
    if not url.strip():
        return "no url"
    try:
        for attempt in Retrying(
            retry=retry_if_exception_type(_TRANSIENT),
            stop=stop_after_attempt(3),
            wait=wait_random_exponential(max=10),
            reraise=True,
        ):
            with attempt:
                response = client.get(url)
    except httpx.HTTPError as error:
        log.info("%s: %s", url, error)
        return "gone"
    if response.status_code != httpx.codes.OK:
        return "gone"
    if hashlib.md5(response.content, usedforsecurity=False).hexdigest() != md5:
        return "wrong"
    with atomic_file(images / f"{md5}.jpg") as temporary:
        temporary.write_bytes(response.content)
    return "fetched"


def main() -> None:
    """Command line."""
    arguments(argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter))
    with errors_in_a_line():
        params = read_params(IngestParams, "ingest")
        if params.adapter not in _SETS:
            raise ParamsError(
                f"ingest.adapter of params.yaml is {params.adapter}, whose images are not fetched here: choose a "
                f"profile that reads {' or '.join(_SETS)}, such as 'python -m pipeline_steps.configure paper'"
            )
        source = getattr(params.sources, params.adapter)
        conditions = set(read_params(SubsetParams, "subset").conditions)
        if not source.csv.exists():
            raise DataError(
                f"{source.csv} is not there, and the images' addresses are in it: put the set's table there (from "
                f"{_SETS[params.adapter]}), or say under ingest.sources.{params.adapter} of params.yaml where it is"
            )
        source.images.mkdir(parents=True, exist_ok=True)
        counts = download(source.csv, source.images, conditions)
    print(", ".join(f"{n} {kind}" for kind, n in counts.items()), f"in {source.images}")


if __name__ == "__main__":
    main()
