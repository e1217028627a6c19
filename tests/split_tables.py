"""A study of two conditions as split and select_subset read it in tests."""

import pandas as pd


def study_of(group_of):
    rows = [
        {"condition": c, "level": str(t), "population": "majority" if t < 3 else "minority", "role": "study"}
        for c in ("a", "b")
        for t in (1, 2, 5, 6)
        for _ in range(8)
    ]
    table = pd.DataFrame(rows)
    table["image_id"] = [f"{i:03d}" for i in range(len(table))]
    table["group"] = [group_of(i) for i in range(len(table))]
    return table.assign(sha256="")
