"""Methods head to head: who is compared with whom, and by what."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pipeline_steps.reporting.figures import _cliques, critical_difference
from pipeline_steps.reporting.leaderboard import contenders, leaderboard, mean_ranks
from pipeline_steps.reporting.results import Results, untrained_twins


def _results(draws=(0, 1, 2), gain=0.2):
    """``syn of good`` gains ``gain`` on types 5 and 6 over ``real``; ``classic`` gains half of it."""
    rows = []
    for draw in draws:
        for arm, augmenter, extra in (
            ("real", "", 0.0),
            ("classic", "", gain / 2),
            ("syn", "good", gain),
            ("syn", "bad", -0.1),
        ):
            head = {"arm": arm, "augmenter": augmenter, "scenario": "iii", "architecture": "a", "draw": draw}
            few = 0.3 + extra + 0.01 * draw
            whole = {
                "skin_type": "all",
                "n": 40,
                "accuracy": (0.8 * 10 + few * 30) / 40,
                "worst_accuracy": few,
                "gap": 0.8 - few,
            }
            by_type = [("1", 10, 0.8), ("5", 20, few), ("6", 10, few)]
            rows.append({**head, "partition": "holdout", **whole})
            rows += [{**head, "partition": "holdout", "skin_type": t, "n": n, "accuracy": a} for t, n, a in by_type]
    images = pd.DataFrame(
        [
            {
                "augmenter": "good",
                "split": f"iii-{draw}",
                "generated": 10,
                "accepted": 8,
                "rejected_memorised": 1,
                "fid": 2.0 + draw,
                "kid": None,
                "precision": 0.5,
                "recall": 0.5,
                "concepts": 0.7,
            }
            for draw in draws
        ]
    )
    return Results(pd.DataFrame(rows), images, pd.DataFrame())


def test_the_best_baseline_is_the_bar():
    board = leaderboard(_results(), "holdout", [5, 6], 0.3)
    assert board.baseline == "classic"
    assert [row["name"] for row in board.rows] == ["syn of good", "classic", "real", "syn of bad"]
    best = board.rows[0]
    assert best["mean"] == pytest.approx(0.1)
    assert best["minority"] == pytest.approx(0.51)
    assert (best["rejected"], best["memorised"], best["fid"]) == (pytest.approx(0.2), pytest.approx(0.1), 3.0)
    assert board.rows[1]["mean"] == 0
    assert board.ranks == {"real": 3.0, "classic": 2.0, "syn of good": 1.0, "syn of bad": 4.0}


def test_every_measure_has_its_interval_over_draws():
    row = leaderboard(_results(), "holdout", [5, 6], 0.3).rows[0]
    half = stats.t.ppf(0.975, 2) * np.sqrt((1 / 3 + 0.3) * 1.0)  # FID 2, 3, 4
    assert (row["fid_low"], row["fid_high"]) == (pytest.approx(3 - half), pytest.approx(3 + half))
    assert row["minority_low"] < row["minority"] < row["minority_high"]
    assert row["rejected_low"] == pytest.approx(row["rejected"])


def test_who_missed_a_draw_is_not_ranked():
    r = _results()
    some = r.classifiers[(r.classifiers["augmenter"] != "bad") | (r.classifiers["draw"] == 0)]
    board = leaderboard(Results(some, r.images, r.segmenters), "holdout", [5, 6], 0.3)
    assert board.blocks == 3
    assert set(board.ranks) == {"real", "classic", "syn of good"}
    assert {row["name"] for row in board.rows} == {"real", "classic", "syn of good", "syn of bad"}


def test_an_augmenter_without_a_model_is_a_baseline():
    board = leaderboard(_results(), "holdout", [5, 6], 0.3, model_free=["good"])
    assert board.baseline == "syn of good"
    assert leaderboard(_results(), "holdout", [5, 6], 0.3, model_free=["good", "bad"]) is None


def test_minority_accuracy_counts_images_not_types():
    scores = contenders(_results(draws=(0,)), "holdout", [1, 6])
    assert scores["real"]["minority"].iloc[0] == pytest.approx((0.8 * 10 + 0.3 * 10) / 20)


def test_one_draw_gives_no_interval_and_no_ranks():
    board = leaderboard(_results(draws=(0,)), "holdout", [5, 6], 0.3)
    assert np.isnan(board.rows[0]["low"])
    assert board.ranks == {}


def test_without_a_baseline_or_a_method_there_is_no_board():
    r = _results()
    real = r.classifiers[r.classifiers["augmenter"] == ""]
    assert leaderboard(Results(real, r.images, r.segmenters), "holdout", [5, 6], 0.3) is None
    assert leaderboard(r, "test", [5, 6], 0.3) is None


def test_the_critical_difference_is_demsars():
    """Demšar 2006, section 3.2.2: q of 5 classifiers is 2.728; 14 data sets, 4 classifiers: 2.569 and CD 1.25."""
    scores = np.random.default_rng(0).normal(size=(14, 4))
    ranks, difference = mean_ranks(scores)
    assert difference == pytest.approx(1.25, abs=0.005)
    assert sum(ranks) == pytest.approx(10)
    assert ranks[0] == pytest.approx(np.mean([stats.rankdata(-row)[0] for row in scores]))
    assert critical_difference({"a": 1.2, "b": 1.9, "c": 2.9}, 1.25).startswith(b"\x89PNG")


def test_bars_join_what_is_not_told_apart():
    assert _cliques([1.2, 1.9, 2.9, 3.9], 1.25) == [(1.2, 1.9), (1.9, 2.9), (2.9, 3.9)]
    assert _cliques([1.0, 2.0, 3.0], 5.0) == [(1.0, 3.0)]
    assert _cliques([1.0, 3.0], 0.5) == []


def test_a_fine_tuned_model_is_compared_with_its_base_as_it_came():
    def cell(augmenter, base="sd", tokens="models/none", adapter="models/none", split="iii-0"):
        return {"augmenter": augmenter, "base": base, "tokens": tokens, "adapter": adapter, "split": split}

    generate = {
        "tuned": cell("tuned", adapter="models/adapters/a"),
        "words": cell("words", tokens="models/tokens/t"),
        "pairs": cell("pairs", adapter="models/adapters/p"),
        "concepts": cell("concepts", adapter="models/adapters/c"),
        "other": cell("tuned", adapter="models/adapters/a", split="ii-0"),
        "flux": cell("flux", base="flux", adapter="models/adapters/f"),
        "colour": cell("colour", base="none"),
        "plain_light": cell("plain_light"),
        "plain_text": cell("plain_text"),
        "plain_concepts": cell("plain_concepts"),
        "plain_image": cell("plain_image"),
        "unseen": cell("unseen", base="flux"),
        "around": cell("around", adapter="models/adapters/r"),
        "within": cell("within", adapter="models/adapters/r"),
        "plain_around": cell("plain_around"),
        "plain_within": cell("plain_within"),
    }
    modes = {"tuned": "img2img", "words": "txt2img", "pairs": "image_and_mask", "flux": "txt2img", "colour": "tone"}
    modes |= {"plain_text": "txt2img", "plain_image": "img2img", "unseen": "txt2img"}
    augmenters = {name: {"mode": mode, "captioner": "template"} for name, mode in modes.items()}
    augmenters["concepts"] = augmenters["plain_concepts"] = {"mode": "txt2img", "captioner": "concepts"}
    for name in ("around", "within"):
        augmenters[name] = augmenters[f"plain_{name}"] = {"mode": "inpaint", "passes": [{"region": name}]}
    augmenters = {name: {"target_types": [5, 6], **settings} for name, settings in augmenters.items()}
    augmenters["plain_light"] = {"mode": "img2img", "captioner": "template", "target_types": [1, 2]}
    generate["light"] = cell("light", adapter="models/adapters/a")
    augmenters["light"] = {"mode": "img2img", "captioner": "template", "target_types": [1, 2]}
    cells = {"generate": generate, "screen": {key: {} for key in generate if key != "unseen"}}
    assert untrained_twins(cells, augmenters) == {
        "tuned": "plain_image",
        "words": "plain_text",
        "pairs": "plain_text",
        "concepts": "plain_concepts",
        "around": "plain_around",
        "within": "plain_within",
        "light": "plain_light",
    }
