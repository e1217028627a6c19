"""The README's picture, from the outputs of the default run: ``python -m benchmarks.default_picture``."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont

from pipeline_steps.records.manifest import open_dataset
from pipeline_steps.reporting.figures import accuracy_by_level, read_image
from pipeline_steps.reporting.intervals import accuracy_points
from pipeline_steps.reporting.study import read_study
from pipeline_steps.stage.params import read_yaml

CELL = "majority_to_minority-iii-0"
WIDTH, SIDE, GAP, MARGIN = 1120, 72, 4, 150


def pairs() -> Image.Image:
    """A source, its result on type V and another's on type VI, for each condition."""
    folder = Path("data/synthetic") / CELL
    made = pd.read_csv(folder / "metadata.csv")
    made = made[pd.read_parquet(f"data/screened/{CELL}.parquet")["accepted"].to_numpy()]
    dataset = open_dataset(Path("data/dataset"))
    original = dataset.manifest.set_index("public_id")["image_id"]
    conditions = sorted(set(made["condition"]))
    sheet = Image.new("RGB", (MARGIN + len(conditions) * 2 * (SIDE + GAP), 4 * (SIDE + GAP) + 24), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    words = ("light source", "on type V", "light source", "on type VI")
    for row, text in enumerate(words):
        draw.text((6, 24 + row * (SIDE + GAP) + SIDE // 2 - 6), text, fill="black", font=font)
    for column, condition in enumerate(conditions):
        draw.text((MARGIN + column * 2 * (SIDE + GAP), 5), condition, fill="black", font=font)
        for row, skin_type in ((0, 5), (2, 6)):
            mine = made[(made["condition"] == condition) & (made["target_level"] == skin_type)].head(2)
            for k, (source, name) in enumerate(zip(mine["source_id"], mine["file_name"], strict=True)):
                x, y = MARGIN + (2 * column + k) * (SIDE + GAP), 24 + row * (SIDE + GAP)
                for step, image in enumerate((dataset.images([original[source]])[0], read_image(folder / name))):
                    picture = Image.fromarray(np.asarray(image)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
                    sheet.paste(picture, (x, y + step * (SIDE + GAP)))
    return sheet


def main() -> None:
    """Compose the picture."""
    none = dict.fromkeys(("low", "high"), "")  # where there is no interval; an empty augmenter is a name
    rows = pd.read_csv("report/accuracy.csv", dtype={"level": str}, keep_default_na=False, na_values=none)
    rows = rows[rows["partition"] == "holdout"]
    study = read_study(json.loads(Path("metrics/split.json").read_text()), read_yaml(Path("cells.yaml"))["cells"])
    points = accuracy_points(rows, float("nan"), study.evaluation.minimum_level_images)  # one draw: nothing to correct
    title = "Accuracy on the phantom holdout (phantom results)"
    chart = Image.open(
        io.BytesIO(accuracy_by_level(points, title, study.conditions, study.floors, study.names, study.noun))
    )
    top = pairs()
    top = top.resize((WIDTH, round(top.height * WIDTH / top.width)), Image.Resampling.LANCZOS)
    bottom = chart.convert("RGB").resize((WIDTH * 3 // 4, round(chart.height * WIDTH * 3 / 4 / chart.width)))
    sheet = Image.new("RGB", (WIDTH, top.height + bottom.height), "white")
    sheet.paste(top, (0, 0))
    sheet.paste(bottom, (WIDTH // 8, top.height))
    Path("docs").mkdir(exist_ok=True)
    sheet.save("docs/default_run.png", optimize=True)


if __name__ == "__main__":
    main()
