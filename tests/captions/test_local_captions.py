"""Captions by a vision-language model in this process: a tiny one in the hub's layout, with random weights."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT, whole
from data_sets import write_data_set
from PIL import Image

from pipeline_steps import train_captioner
from pipeline_steps.captions.backends.local import LocalParams
from pipeline_steps.captions.captioner import Study
from pipeline_steps.captions.llava import (
    ReportData,
    byte_tokenizer,
    draw_reports,
    new_captioner,
    prompt_of,
    reply_ids,
    report_loss,
)
from pipeline_steps.captions.local import by_local_model, new_reporter
from pipeline_steps.captions.reports import read_report, stored_reply
from pipeline_steps.captions.schema import SCHEMAS, instruction
from pipeline_steps.checkpoints.provenance import weights_digest
from pipeline_steps.datasets.phantom.marks import COLOURS, KINDS, Mark
from pipeline_steps.datasets.phantom.render import render_marks
from pipeline_steps.datasets.reports import LOOKS, marks_report
from pipeline_steps.items.store import ItemStore
from pipeline_steps.stage.errors import DataError
from pipeline_steps.stage.params import read_yaml

SHIPPED = ROOT / "models/base/phantom-captioner"


@pytest.fixture(scope="module")
def tiny_vlm(tmp_path_factory):
    """The shipped captioner's layout with a few random weights, and a tokenizer of bytes."""
    vision = {"image_size": 28, "patch_size": 14, "hidden_size": 16, "intermediate_size": 32}
    text = {"hidden_size": 32, "intermediate_size": 64, "num_key_value_heads": 4, "max_position_embeddings": 4096}
    model, processor = new_captioner(
        byte_tokenizer([], 300),
        vision | {"num_hidden_layers": 2, "num_attention_heads": 2},
        text | {"num_hidden_layers": 2, "num_attention_heads": 4},
        0,
    )
    folder = tmp_path_factory.mktemp("tiny-vlm")
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _params(location, **changes):
    given = whole()["captioners"]["reports_local"]
    given["tokenizer"]["location"] = str(ROOT / "models/base/phantom-sd")
    fast = {
        "dtype": "float32",
        "schema_name": "dermaflux",
        "max_reply_tokens": 500,
        "batch_size": 2,
        "max_failure_fraction": 0,
    }
    return LocalParams.model_validate(given | {"location": str(location)} | fast | changes)


def _study(folder, count=3):
    rng = np.random.default_rng(0)
    ids = [f"i{k}" for k in range(count)]
    images = rng.integers(0, 255, size=(count, 32, 32, 3), dtype=np.uint8)
    write_data_set(folder, pd.DataFrame({"image_id": ids}), images)
    rows = pd.DataFrame({"image_id": ids, "condition": ["psoriasis", "folliculitis", "psoriasis"][:count]})
    return Study(rows, folder, ItemStore(folder / "items"))


def test_replies_of_random_weights_fit_the_schema_and_are_stored(tiny_vlm, tmp_path, monkeypatch):
    params, study = _params(tiny_vlm), _study(tmp_path)
    made = by_local_model(params, study)
    assert made.counts["unusable_replies"] == {}
    assert (made.use.reused, made.use.computed) == (0, 3)
    assert all("{token}" in c and "{level}" in c for c in made.captions)
    monkeypatch.setattr("pipeline_steps.captions.local.new_reporter", None)  # nothing is asked twice
    again = by_local_model(params, study)
    assert (again.use.reused, again.captions) == (3, made.captions)


def test_the_image_is_shown_and_neighbours_change_nothing(tiny_vlm):
    reply = new_reporter(_params(tiny_vlm))
    one, other = (Image.fromarray(np.full((32, 32, 3), v, np.uint8)) for v in (0, 255))
    both = reply([one, other], ["say", "say"])
    assert both[0] != both[1]
    assert reply([other, one], ["say", "say"]) == both[::-1]
    longer = reply([one, other], ["say", "say much more of it"])
    assert longer[0] == both[0], "the padding of a batch must not be read"
    entries, why = read_report(_params(tiny_vlm), both[0])
    assert (set(entries), why) == (set(SCHEMAS["dermaflux"]), "")


def test_a_reply_that_is_cut_off_is_counted(tiny_vlm, tmp_path):
    made = by_local_model(_params(tiny_vlm, max_reply_tokens=5, max_failure_fraction=1.0), _study(tmp_path))
    assert made.counts["unusable_replies"] == {"cut off at max_reply_tokens": 3}
    assert set(made.captions) == {"An image of {token} on the skin of {level} individual"}
    with pytest.raises(DataError, match="3 of 3 images have no usable report"):
        by_local_model(_params(tiny_vlm, max_reply_tokens=5), _study(tmp_path))


def test_a_model_that_can_not_be_loaded_is_named(tmp_path):
    with pytest.raises(DataError, match=r"vision-language model .*gone.* can't be loaded"):
        new_reporter(_params(tmp_path / "gone"))


def test_a_reply_is_checked_even_so(tiny_vlm):
    params = _params(tiny_vlm)
    good = dict.fromkeys(SCHEMAS["dermaflux"], "round")
    assert read_report(params, stored_reply(json.dumps(good), "stop")) == (good, "")
    assert read_report(params, stored_reply(json.dumps({**good, "colour": 3}), "stop"))[1] == "colour: string_type"


def test_a_report_says_of_marks_what_stands_out():
    report = marks_report([Mark("ring", "red", ""), Mark("flecks", "white", "small")], 6)
    assert report["shape"] == "flecks and ring"
    assert (report["colour"], report["size"]) == ("white and red", "small and medium")
    assert (report["texture"], report["elevation"], report["count"]) == ("scaly", "flat", "many")
    assert report["skin_type"] == "very dark"
    assert set(marks_report([], 1).values()) == {"none", "very light"}
    assert list(report) == list(SCHEMAS["marks"])
    assert set(LOOKS) == set(KINDS)


def test_values_and_what_stands_around_them_are_tokens_of_their_own():
    reports = [marks_report([Mark(kind, colour, "")], t) for kind in KINDS for colour in COLOURS for t in (1, 6)]
    tokenizer = byte_tokenizer([json.dumps(r) for r in reports], 600)
    ids = reply_ids(tokenizer, reports)
    assert ids.shape[1] <= 2 * len(SCHEMAS["marks"]) + 2, "an entry costs two tokens"
    for row, report in zip(ids[:50], reports, strict=False):
        said = [t for t in row.tolist() if t >= 0]
        assert said[-1] == tokenizer.eos_token_id
        assert json.loads(tokenizer.decode(said[:-1])) == report
        assert report["colour"] in [tokenizer.decode([t]) for t in said]


def test_replies_alone_are_learned(tiny_vlm):
    """The loss is that of the reply's tokens given image and prompt; padding and prompt add nothing."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model = AutoModelForImageTextToText.from_pretrained(tiny_vlm)
    processor = AutoProcessor.from_pretrained(tiny_vlm)
    pixels = np.full((4, 28, 28, 3), 90, np.uint8)
    reports = [{"colour": "red"}, {"colour": "brown"}] * 2
    prompt, seen = prompt_of(processor, pixels[0], instruction("marks", "", reveal_condition=False))
    replies = reply_ids(processor.tokenizer, reports)
    assert torch.allclose(seen, torch.full_like(seen, 90 / 127.5 - 1)), "training and use see the same pixels"
    with torch.no_grad():
        padded = torch.nn.functional.pad(replies, (0, 5), value=-100)
        drawn = [
            draw_reports(ReportData(pixels, prompt, said), 8, torch.Generator().manual_seed(0))
            for said in (replies, padded)
        ]
        loss, same = (report_loss(model, prompt, batch) for batch in drawn)
        rows = torch.randint(4, (8,), generator=torch.Generator().manual_seed(0))
        terms = []
        for row in rows.tolist():
            said = replies[row][replies[row] >= 0]
            ids = torch.cat([prompt, said])[None]
            logits = model(input_ids=ids, pixel_values=seen[None]).logits[0, len(prompt) - 1 : -1]
            terms.append(torch.nn.functional.cross_entropy(logits, said, reduction="none"))
    assert float(loss) == pytest.approx(float(torch.cat(terms).mean()), rel=0.02)  # bfloat16
    assert float(same) == pytest.approx(float(loss), rel=0.02)


def test_the_captioners_training_is_reproducible_and_can_be_asked(tmp_path):
    tiny = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    how = read_yaml(ROOT / "config/shipped.yaml")["captioner_training"] | {
        "images": 24,
        "vocabulary": 400,
        "batch_size": 4,
    }
    how |= {"threads": 1, "vision": how["vision"] | tiny, "text": how["text"] | tiny | {"num_key_value_heads": 2}}
    how["optimisation"] |= {"steps": 3}
    for name in ("one", "two"):
        train_captioner.train(train_captioner.CaptionerTraining(**how), tmp_path / name, tmp_path / f"work-{name}")
    assert weights_digest(tmp_path / "one") == weights_digest(tmp_path / "two")
    params = _params(tmp_path / "one", schema_name="marks")
    text = instruction("marks", "", reveal_condition=False)
    (reply,) = new_reporter(params)([Image.new("RGB", (64, 64), "red")], [text])
    assert read_report(params, reply)[1] in {"", "cut off at max_reply_tokens"}


def test_the_shipped_captioner_sees_more_than_the_most_frequent_answer():
    """On images that it never saw: every entry, beside always saying what is most often true."""
    params = _params(SHIPPED, schema_name="marks", reveal_condition=False, max_reply_tokens=60)
    drawn = [(render_marks(1 + i % 6, 990_000 + i), 1 + i % 6) for i in range(96)]
    asked = [instruction("marks", "", reveal_condition=False)] * len(drawn)
    replies = new_reporter(params)([Image.fromarray(d.image) for d, _ in drawn], asked)
    read = [read_report(params, reply) for reply in replies]
    assert not [why for _, why in read if why]
    truth = [marks_report(d.marks, t) for d, t in drawn]
    for entry in SCHEMAS["marks"]:
        right = np.mean([said[entry] == true[entry] for (said, _), true in zip(read, truth, strict=True)])
        frequent = Counter(true[entry] for true in truth).most_common(1)[0][1] / len(truth)
        assert right > frequent, entry
