"""What a flow run leaves to look at in the UI besides states and logs."""

import asyncio
import base64
import json
import re
import subprocess
from pathlib import Path
from typing import Any

from dvc.utils.flatten import flatten
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact

from flows.resource_usage import Usage, as_markdown

SUMMARY = Path("metrics/summary.json")
REPORT = Path("report/index.html")


def key_of(kind: str, stage: str) -> str:
    """An artifact key: Prefect allows lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", f"{kind}-{stage}".lower()).strip("-")


async def show_usage(stage: str, series: list[Usage]) -> None:
    """Show the resources that a stage used; nothing for a stage too short to be sampled."""
    if series:
        await acreate_markdown_artifact(as_markdown(series), key=key_of("usage", stage), description=f"{stage}: usage")


async def show_preview(stage: str, place: str) -> None:
    """Show a picture that a running stage wrote, as the newest version of its picture; nothing if it is gone."""
    picture = Path(place)
    if await asyncio.to_thread(picture.is_file):
        data = base64.b64encode(await asyncio.to_thread(picture.read_bytes)).decode()
        text = f"![{picture.stem}](data:image/png;base64,{data})"
        await acreate_markdown_artifact(text, key=key_of("preview", stage), description=f"{stage}: {picture.stem}")


async def show_results() -> None:
    """Show the summary's numbers beside those of the last commit, and where the report is."""
    if rows := await asyncio.to_thread(summary_changes):
        await acreate_table_artifact(rows, key="metrics", description="Metrics now and in the last commit")
    if place := await asyncio.to_thread(_report):
        text = f"Open `{place}` in a browser: tables, plots, galleries, parameters."
        await acreate_markdown_artifact(text, key="report", description="The report")


def _report() -> str:
    return str(REPORT.resolve()) if REPORT.exists() else ""


def summary_changes() -> list[dict[str, Any]]:
    """Each number of the summary: now, at HEAD, and the difference."""
    if not SUMMARY.exists():
        return []
    command = ["git", "show", f"HEAD:{SUMMARY}"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    before = flatten(json.loads(shown.stdout)) if shown.returncode == 0 else {}
    now = flatten(json.loads(SUMMARY.read_text()))
    return [
        {"metric": name, "now": value, "last commit": before.get(name), "difference": _gap(value, before.get(name))}
        for name, value in now.items()
    ]


def _gap(now: object, before: object) -> float | None:
    numbers = isinstance(now, int | float) and isinstance(before, int | float)
    return round(now - before, 6) if numbers else None  # type: ignore[operator]
