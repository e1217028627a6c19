"""One source image of a hundred that is new or edited costs one item's work where images are captioned and made.

And where what was made of it is screened and scored; if the models that made it are the same. If they are not, nothing
of it holds: then every image is another.
"""

import json
import shutil
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, whole
from data_sets import write_data_set
from language_model import REPORT, answer, endpoint, serving
from painter import Service

from pipeline_steps import score_fid, screen
from pipeline_steps.captions.backends.local import LocalParams
from pipeline_steps.captions.captioner import Study
from pipeline_steps.captions.endpoint import by_endpoint
from pipeline_steps.captions.local import by_local_model
from pipeline_steps.captions.reports import stored_reply
from pipeline_steps.captions.schema import SCHEMAS
from pipeline_steps.diffusion import adapters
from pipeline_steps.diffusion.families import family
from pipeline_steps.diffusion.hub import BaseModel
from pipeline_steps.diffusion.mask_channels import widen
from pipeline_steps.diffusion.regions import for_inpainting
from pipeline_steps.features.extractors import Extractor
from pipeline_steps.generate import generate
from pipeline_steps.generation.jobs import Inputs
from pipeline_steps.generation.modes.table import PARAMS
from pipeline_steps.items.store import ItemStore

N, HELD, SIDE = 100, 12, 16
FAST = {
    "scheduler": "DDIMScheduler", "scheduler_options": {}, "num_inference_steps": 2, "guidance_scale": 1.0,
    "guidance_interval": (0.0, 1.0), "batch_size": 10, "base": "tiny", "captioner": "template", "inversion": None,
    "adapter": "lora",
}  # fmt: skip
JOBS = {"images_per_source": 1, "max_sources": 0, "target_levels": ("5", "6"), "level_choice": "random", "seed": 0}
PAINTER = {
    "captioner": "template", "size": 64, "grow": 0, "response_format": None, "model": "painter", "key_variable": "",
    "timeout_seconds": 5.0, "attempts": 1, "concurrency": 1,
    "budget": {"requests": 200, "cost": 0.0, "price_of_image": 0.0},
}  # fmt: skip
MODES = {
    "txt2img": {**FAST, "strength": 1.0},
    "img2img": {**FAST, "strength": 1.0},
    "inpaint": {**FAST, "passes": [{"region": "lesion", "strength": 1.0}], "grow": 0, "feather": 0.0},
    "image_and_mask": {**FAST, "threshold": 0.5},
    "tone_transfer": {"region": "outside_mask", "feather": 1.0, "ita": {"5": (-30, 10), "6": (-55, -30)}},
    "remote_edit": {**PAINTER, "region": "surroundings", "feather": 0.0},
}


@pytest.fixture
def worked(tmp_path, monkeypatch):
    """How many items were computed since it was last called, by what they are; in a store of the test's own."""
    monkeypatch.setenv("EQUIDERM_ITEMS", str(tmp_path / "items"))
    monkeypatch.setenv("EQUIDERM_PAID", str(tmp_path / "paid"))
    done: Counter[str] = Counter()
    through = ItemStore.get_or_compute

    def counted(self, keys, compute, batch_size, what, **options):
        values, use = through(self, keys, compute, batch_size, what, **options)
        done[what] += use.computed
        return values, use

    monkeypatch.setattr(ItemStore, "get_or_compute", counted)

    def since():
        found = {what: n for what, n in done.items() if n}
        done.clear()
        return found

    return since


def _rows(seeds):
    """Photographs of a study: the sources of what is made, and some that are held out."""
    ids, n = [f"i{i}" for i in range(len(seeds))], len(seeds) - 2 * HELD
    rows = pd.DataFrame({"image_id": ids, "level": [str(1 + i % 6) for i in range(len(ids))]})
    return rows.assign(
        condition=["psoriasis", "folliculitis"] * (len(ids) // 2) + ["psoriasis"] * (len(ids) % 2),
        group=ids, image_status="present", population="majority", licence="CC0-1.0", redistribute="yes", attribution="",
        partition=["validation"] * HELD + ["reference"] * HELD + ["train"] * n,
    )  # fmt: skip


def _study(folder, seeds):
    """The data set of photographs that ``seeds`` draw, and its split."""
    images = [np.random.default_rng(seed).integers(0, 255, (SIDE, SIDE, 3), np.uint8) for seed in seeds]
    masks = np.zeros((len(seeds), SIDE, SIDE), bool)
    for row, seed in enumerate(seeds):
        masks[row, 4 : 8 + seed % 8, 4:12] = True
    shutil.rmtree(folder, ignore_errors=True)
    rows = write_data_set(folder, _rows(seeds), images, masks).manifest
    rows.to_parquet(folder / "split.parquet")
    said = {"caption": [f"photo {i} of {{token}} on {{level}} skin" for i in rows["image_id"]]}
    said["short_caption"] = said["caption"]
    pd.DataFrame({"image_id": rows["image_id"], **said}).to_parquet(folder / "captions.parquet")
    (folder / "words.json").write_text(json.dumps({str(t): f"tone {t}" for t in range(1, 7)}))
    (folder / "index.json").write_text("{}")
    return rows


ALL = list(range(N + 2 * HELD))
EDITED, NEW = [*ALL[:-1], 999], [*ALL, 998]


def _local(folder):
    (folder / "vlm").mkdir(exist_ok=True)
    (folder / "vlm/config.json").write_text("{}")
    given = whole()["captioners"]["reports_local"]
    given["tokenizer"]["location"] = str(ROOT / "models/base/phantom-sd")
    return LocalParams.model_validate(given | {"location": str(folder / "vlm"), "schema_name": "dermaflux"})


@pytest.mark.parametrize("seeds", [EDITED, NEW])
def test_captions_of_a_model_here(tmp_path, worked, monkeypatch, seeds):
    report = stored_reply(json.dumps(dict.fromkeys(SCHEMAS["dermaflux"], "round")), "stop")
    monkeypatch.setattr(
        "pipeline_steps.captions.local.new_reporter", lambda _: lambda images, _t: [report] * len(images)
    )
    found = []
    for which in (ALL, seeds, seeds):
        by_local_model(
            _local(tmp_path), Study(_study(tmp_path / "data", which), tmp_path / "data", ItemStore(tmp_path))
        )
        found.append(worked())
    assert found == [{"reports": len(ALL)}, {"reports": 1}, {}]


@pytest.mark.parametrize("seeds", [EDITED, NEW])
def test_captions_of_a_service(tmp_path, worked, seeds):
    with serving() as start:
        model = start(lambda _n, _image: answer(REPORT))
        params = endpoint(model.url, budget={"requests": 200, "cost": 0.0, "price_of_input": 0, "price_of_output": 0})
        for which, asked in ((ALL, len(ALL)), (seeds, len(ALL) + 1), (seeds, len(ALL) + 1)):
            rows = _study(tmp_path / "data", which)
            by_endpoint(params, Study(rows, tmp_path / "data", ItemStore(tmp_path)))
            assert model.requests == asked


@pytest.fixture(scope="module")
def bases(tiny_sd, tmp_path_factory):
    """Small base models with adapters, by mode."""
    folder = tmp_path_factory.mktemp("bases")
    widened = shutil.copytree(tiny_sd, folder / "inpaint")
    return {
        "inpaint": (widened, _learned(widened, folder / "a", for_inpainting, saved=widened)),
        "image_and_mask": (tiny_sd, _learned(tiny_sd, folder / "b", widen)),
        "": (tiny_sd, _learned(tiny_sd, folder / "c", lambda _: None)),
    }


def _learned(base, out, change, saved=None, seed=0):
    """An adapter of the model in ``base`` whose denoiser is changed before, and is then ``saved`` with it or not."""
    model = BaseModel("stable_diffusion", str(base), None, "float32")
    c = family(model).load(model)
    change(c.denoiser)
    if saved:
        c.denoiser.save_pretrained(saved / "unet")
    adapters.attach(c.denoiser, adapters.Lora(2, 2, ("to_q",)), seed)
    adapters.save(c.denoiser, out)
    return out


@pytest.fixture
def make(bases, tmp_path, monkeypatch):
    """Make a cell of a mode from the photographs that are drawn, with an adapter or the mode's own."""
    services = []

    def made(mode, seeds, adapter=None):
        base, own = bases.get(mode, bases[""])
        read = BaseModel("stable_diffusion", str(base), None, "float32")
        monkeypatch.setattr("pipeline_steps.diffusion.augment.read_base", lambda _: read)
        monkeypatch.setattr("pipeline_steps.stage.pictures.show", lambda *_: None)
        place = {}
        if mode == "remote_edit":
            services[:] = services or [Service()]
            place = {"base_url": services[0].url}
        params = PARAMS[mode].model_validate({"mode": mode, **JOBS, **MODES[mode], **place})
        folder = tmp_path / "data"
        _study(folder, seeds)
        split = folder / "split.parquet"
        done = generate(params, Inputs(folder, split, folder, folder, adapter or own), tmp_path / "made")
        return done.computed

    yield made
    for service in services:
        service.server.shutdown()
        service.server.server_close()


WHAT = {"tone_transfer": "recolour"}
LOOKED_AT = {"img2img": {"latents"}, "txt2img": set(), "inpaint": set(), "image_and_mask": set()}


@pytest.mark.parametrize("mode", MODES)
def test_images_that_are_made(mode, make, worked):
    found = [(make(mode, seeds), worked()) for seeds in (ALL, EDITED, ALL, NEW)]
    assert [n for n, _ in found] == [N, 1, 0, 1]
    own = {WHAT.get(mode, "generate"), *LOOKED_AT.get(mode, ())} if mode != "remote_edit" else set()
    for (_, items), n in zip(found, (N, 1, 0, 1), strict=True):
        assert {what: k for what, k in items.items() if what != "prompts"} == dict.fromkeys(own if n else (), n)
        assert items.get("prompts", 0) <= n + 1, "no prompt is encoded for an image that is there"


def test_all_are_made_anew_where_the_adapter_is_another(make, worked, bases, tmp_path):
    """Its digest is in every image's key; what the adapter does not change, latents and prompts, stays."""
    make("img2img", ALL)
    worked()
    other = _learned(bases[""][0], tmp_path / "other", lambda _: None, seed=1)
    assert make("img2img", ALL, other) == N
    assert worked() == {"generate": N}


def _stage(module, monkeypatch, folder, *names):
    """Run a stage's ``main`` on what was made."""
    places = {
        "--dataset": folder / "data", "--split": folder / "data/split.parquet", "--synthetic": folder / "made",
        "--screened": folder / "screened.parquet", "--out": folder / "screened.parquet",
        "--metrics": folder / "metrics.json",
    }  # fmt: skip
    monkeypatch.setattr("sys.argv", ["stage", *(str(x) for name in names for x in (name, places[name]))])
    monkeypatch.setattr(module, "use_threads", lambda _: None)
    mean = Extractor("mean", "", lambda images: images.mean((1, 2)).astype(np.float32))
    monkeypatch.setattr(module, "read_extractor", lambda: mean)
    module.main()


@pytest.mark.parametrize("seeds", [EDITED, NEW])
def test_images_that_are_screened_and_scored(make, worked, tmp_path, monkeypatch, seeds):
    """Each stage in a store of its own, so that it meets nothing that another one has computed."""
    monkeypatch.chdir(ROOT)
    shared = ("--dataset", "--split", "--synthetic")
    stages = ((screen, (*shared, "--out", "--metrics")), (score_fid, (*shared, "--screened", "--metrics")))
    found = []
    for which in (ALL, seeds):
        make("tone_transfer", which)
        for module, names in stages:
            monkeypatch.setenv("EQUIDERM_ITEMS", str(tmp_path / f"items-{module.__name__}"))
            worked()
            _stage(module, monkeypatch, tmp_path, *names)
            found.append(worked())
        monkeypatch.setenv("EQUIDERM_ITEMS", str(tmp_path / "items"))
    (screened, scored), after = found[:2], found[2:]
    assert screened == {"appearance": N + len(ALL), "mean features": N + N + HELD}
    assert N + HELD < scored["mean features"] <= N + N + HELD
    assert after == [{"appearance": 2, "mean features": 2}, {"mean features": 2}], "a photograph and its image"
