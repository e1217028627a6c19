"""What is no difference between two experiments though it looks like one, and the other way round."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from compared_runs import Lab
from conftest import run

from pipeline_steps.comparing import changes, differences
from pipeline_steps.comparing.difference import BY_INTERVALS, MEANS, Pair
from pipeline_steps.comparing.experiments import open_experiment
from pipeline_steps.comparing.paired import BETWEEN_LEVELS
from pipeline_steps.comparing.values import Contender

CONTENDER = Contender("iii", "", "", "lora")


@pytest.mark.parametrize(
    ("now", "differing"),
    [
        ({"images": "real"}, []),
        ({"images": "syn"}, ["arms.real.images"]),
        ({"images": "real", "seed": 1}, ["arms.real.seed"]),
        ({"seed": 1}, ["arms.real.images", "arms.real.seed"]),
        (None, []),
    ],
)
def test_what_a_section_has_more_or_less_was_not_run_either(now, differing):
    stages = {"train_classifier@real-0": {"params": {"params.yaml": {"arms.real": {"images": "real"}, "gone": 1}}}}
    one = SimpleNamespace(params={"arms": {"real": now} if now else {}}, stages=stages)
    assert changes.not_run(one) == differing


def _experiment(generated, distance):
    low, high = distance - 1, distance + 1
    every = {
        "real": 100,
        "generated": generated,
        "frechet_distance": distance,
        "frechet_distance_interval": [low, high],
    }
    files = {"metrics/fid/{}.json": {"all": every, "condition_accuracy": {}}}
    return SimpleNamespace(
        json=lambda path: files.get(path.replace("a0", "{}").replace("a1", "{}")),
        params={"features": {"extractor": "shipped"}},
        outputs={},
    )


@pytest.mark.parametrize(("generated", "verdict"), [(100, "lower"), (105, "lower"), (150, "unresolved")])
def test_frechet_distances_of_other_counts_are_unresolved(generated, verdict):
    pair = Pair(_experiment(100, 20.0), _experiment(generated, 10.0))
    (found,) = differences._of_images(pair, CONTENDER, {0: "a0"}, {0: "a0"})
    assert (found.verdict, found.how) == (verdict, BY_INTERVALS)
    assert found.doubt == ("" if verdict == "lower" else "other counts of images")


def test_of_several_draws_there_are_means_alone():
    pair = Pair(_experiment(100, 20.0), _experiment(100, 10.0))
    cells = {0: "a0", 1: "a1"}
    (found,) = differences._of_images(pair, CONTENDER, cells, cells)
    assert (found.verdict, found.how, math.isnan(found.low)) == ("unresolved", MEANS, True)


def test_without_the_sizes_of_partitions_draws_have_no_interval():
    values = [{0: {"all": (0.5, 0.4, 0.6)}, 1: {"all": (shift, 0.4, 0.6)}} for shift in (0.5, 0.7)]
    share = differences._share(SimpleNamespace(json=lambda _: None), (CONTENDER, "test"), [0, 1])
    (found,) = differences._over_draws((CONTENDER, "test"), values, share)
    assert found.verdict == "unresolved"
    assert math.isnan(found.low)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("measure", sorted(BETWEEN_LEVELS))
def test_a_level_that_a_resample_lacks_counts_the_same_wherever_it_stands(measure):
    right, levels = np.array([True, False, True, True]), ["1", "3", "5"]
    found = [
        BETWEEN_LEVELS[measure](right, np.array(drawn), levels)
        for drawn in (["1", "1", "3", "3"], ["3", "3", "5", "5"])
    ]
    assert found[0] == found[1]
    assert not math.isnan(found[0])


@pytest.mark.parametrize("lost", ["files", "all"])
def test_a_folder_that_is_nowhere_is_told_as_not_at_hand(tmp_path, monkeypatch, lost):
    """As in a fresh clone: ``dvc.lock`` names the folder, and not even the list of its files is here."""
    lab = Lab(tmp_path)
    monkeypatch.chdir(tmp_path)
    lab.write("kept/a.json", {"a": 1})
    run("dvc", "add", "-q", "kept", cwd=tmp_path)
    run("git", "add", "-A", cwd=tmp_path)
    run("git", "commit", "-qm", "kept", cwd=tmp_path)
    assert open_experiment("HEAD").json("kept/a.json") == {"a": 1}
    for file in [f for f in (tmp_path / ".dvc/cache/files").rglob("*") if f.is_file()]:
        if lost == "all" or file.suffix != ".dir":
            file.chmod(0o600)
            file.unlink()
    found = open_experiment("HEAD")
    assert (found.json("kept/a.json"), list(found.absent)) == (None, ["kept/a.json"])
