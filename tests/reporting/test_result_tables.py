"""The tables of the report and the summary metrics."""

import pandas as pd
from studies import classifier_results, scored

from pipeline_steps.measures.classifiers.between import GAP
from pipeline_steps.measures.images.frechet import FRECHET
from pipeline_steps.measures.images.kernel import KERNEL
from pipeline_steps.reporting import formatting
from pipeline_steps.reporting.blocks import Measured
from pipeline_steps.reporting.measures import MINORITY
from pipeline_steps.reporting.results import Results
from pipeline_steps.reporting.summary import summary
from pipeline_steps.reporting.tables import ablation, table_2
from pipeline_steps.stage.metrics import write_metrics


def test_a_table_tells_draws_and_images_and_no_deviation_of_one():
    rows = [scored("real", 0), scored("syn", 0, accuracy=0.4), scored("syn", 1, accuracy=0.6, n=42)]
    (row,) = table_2(classifier_results(*rows), "test", papers=True)
    assert row["ours"] == {"real": "50.0 (1 draw)", "syn": "50.0 ± 14.1 (2 draws)"}
    assert row["images"] == "40-42"
    same = [scored("real", d) for d in (0, 1)]
    assert table_2(classifier_results(*same), "test", papers=True)[0]["ours"] == {"real": "50.0 (2 draws, no spread)"}


def test_the_ablation_mixes_no_scenarios_and_no_architectures():
    """Deviations are over draws: two architectures that differ by 40 points have none."""
    rows = [scored("syn", 0, accuracy=a, architecture=net) for net, a in (("a", 0.3), ("b", 0.7))]
    rows += [scored("syn", 0, accuracy=0.9, scenario="i", split="i-0")]
    images = pd.DataFrame(
        [{"augmenter": "good", "split": s, "frechet_distance": f} for s, f in (("iii-0", 40.0), ("i-0", None))]
    )
    found = ablation(Results(pd.DataFrame(rows), images, pd.DataFrame()), papers=True)
    assert [(a["scenario"], a["architecture"], a["ours"]["test"], a["frechet_distance"]) for a in found] == [
        ("iii", "a", "30.0 (1 draw)", "40.000 (1 draw)"),
        ("iii", "b", "70.0 (1 draw)", "40.000 (1 draw)"),
        ("i", "a", "90.0 (1 draw)", ""),
    ]


def test_the_summary_leaves_out_what_few_images_say_and_counts_the_others(tmp_path):
    rows = [scored("real", d, t, a, n) for d in (0, 1) for t, a, n in (("5", 0.5, 48 + d), ("6", 0.2, 10 - d))]
    images = pd.DataFrame(
        [
            {
                "augmenter": "good",
                "split": s,
                "features": "shipped",
                "frechet_distance": f,
                "accepted": 5,
                "generated": 10,
            }
            for s, f in (("iii-0", 40.0), ("iii-1", 50.0), ("i-0", 100.0))
        ]
    )
    found = summary(Results(pd.DataFrame(rows), images, pd.DataFrame()), 10)
    assert found["accuracy"] == {"iii-a-real": {"test": {"5": 0.5, "6": None}}}
    assert found["test_images"] == {"iii": {"test": {"5": 48.5, "6": 9.5}}}
    assert found["draws"] == {"iii-a-real": 2}
    assert found["images"]["iii-good"] == {
        "frechet_distance": 45.0,
        "features": "shipped",
        "accepted_share": 0.5,
        "draws": 2,
    }
    assert found["images"]["i-good"]["frechet_distance"] == 100.0
    write_metrics(tmp_path / "summary.json", found)
    assert '"6": null' in (tmp_path / "summary.json").read_text()


def test_a_measure_is_cut_to_what_is_possible_and_says_what_stands_beside_it():
    row = {"minority": 0.9, "minority_low": 0.7, "minority_high": 1.3}
    assert formatting.leaderboard_cell(row, MINORITY) == Measured("90.0", "70.0 to 100.0")
    found = {f"frechet_distance{end}": v for end, v in (("", 3.0), ("_least", 2.0), ("_most", 4.0), ("_draws", 3))}
    same = {"frechet_distance_least": 3.0, "frechet_distance_most": 3.0}
    assert formatting.leaderboard_cell(found, FRECHET) == Measured("3.0", "2.0 to 4.0")
    assert formatting.leaderboard_cell(found | {"frechet_distance_draws": 1}, FRECHET).detail == ""
    assert formatting.leaderboard_cell(found | same, FRECHET).detail == "in all draws"
    assert formatting.leaderboard_cell({}, KERNEL) == Measured("")
    blank = dict.fromkeys(("gap", "gap_low", "gap_high"), float("nan"))
    assert formatting.leaderboard_cell(blank, GAP) == Measured("")
