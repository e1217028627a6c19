"""``forget`` deletes what is derived from an image, after asking, and says what remains."""

import os
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from conftest import run
from pipeline_file import MODULES, STAGES
from ruamel.yaml import YAML
from withdrawn import IDS, SHARED, Clone, generated_set, manifest_of, split_table

from pipeline_steps import forget
from pipeline_steps.forgetting import derived, runs
from pipeline_steps.records.privacy import public_id
from pipeline_steps.stage.errors import DataError


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """Ann trained the tokens, adapter and images ``a``, and was the test of ``b``; an earlier run had her, too."""
    monkeypatch.chdir(tmp_path)
    for name in ("EQUIDERM_ITEMS", "EQUIDERM_PAID"):
        monkeypatch.delenv(name, raising=False)
    ask = runs._output  # here is no repository of DVC's, of which it would say nothing after half a second
    monkeypatch.setattr(runs, "_output", lambda *command: "" if command[0] == "dvc" else ask(*command))
    c = Clone()
    c.stage("ingest", {}, {"data/dataset": {"manifest.parquet": manifest_of(IDS, "old")}}, earlier=True)
    old = generated_set("ann", generation="old")
    c.stage("generate@old", {"models/adapters/gone": "f" * 32}, {"data/synthetic/old": old}, earlier=True)
    data = c.stage("ingest", {}, {"data/dataset": {"manifest.parquet": manifest_of(IDS, "new"), "pixels.npy": b"all"}})
    splits = {"a.parquet": split_table(ann="train", bea="validation", cleo="test"),
              "b.parquet": split_table(ann="test", bea="train", cleo="train")}  # fmt: skip
    c.stage("split", data, {"data/splits": splits})
    a, b = ({f"data/splits/{n}.parquet": c.keep(splits[f"{n}.parquet"])} for n in "ab")
    for name, split, source in (("a", a, "ann"), ("b", b, "cleo")):
        files = {"tokens.safetensors": f"tokens {name}".encode(), "config.json": SHARED}
        tokens = c.stage(f"invert_tokens@{name}", data | split, {f"models/tokens/{name}": files})
        made = c.stage(f"generate@{name}", data | split | tokens, {f"data/synthetic/{name}": generated_set(source)})
        c.stage(f"train_classifier@{name}", data | split | made, {f"models/classifier/{name}": {"m": name.encode()}})
    c.stage("finetune@follows", data | b | {"models/tokens/a": c.lock["invert_tokens@a"]["outs"][0]["md5"]},
            {"models/adapters/follows": {"w": b"weights of a's tokens"}})  # fmt: skip
    for place in ("cache/items/ab/abc", "runs/checkpoints/x.pt", "runs/previews/a/first.png",
                  "cache/paid/ne/new-ann/x", "cache/paid/ne/new-bea/x", "data/synthetic/.a.7.part/x"):  # fmt: skip
        Path(place).parent.mkdir(parents=True, exist_ok=True)
        Path(place).write_bytes(b"x")
    return c


def test_dvc_is_asked_where_its_cache_is_and_for_its_remotes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run("git", "init", "-q", cwd=tmp_path)
    Path(".dvc").mkdir()
    Path(".dvc/config").write_text("[cache]\n    dir = ../shared\n['remote \"lab\"']\n    url = /mnt/lab\n")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert runs.cache_folder().resolve() == tmp_path / "shared"
    assert runs.remotes() == ["lab"]


def _tree():
    return {str(f) for f in Path().rglob("*") if f.is_file()}


def _objects_of(c, stage):
    (out,) = c.lock[stage]["outs"]
    cache = runs.Cache(c.cache, {})
    return {cache.object(m) for m in (out["md5"], *cache.members(out["md5"]).values())}


def test_what_an_image_shaped_goes_and_what_it_did_not_stays(clone, capsys):
    gone = {
        s: _objects_of(clone, s) for s in ("ingest", "split", "invert_tokens@a", "generate@a", "train_classifier@a")
    }
    kept = {s: _objects_of(clone, s) for s in ("invert_tokens@b", "generate@b", "train_classifier@b")}
    forget.forget(["ann"], sure=True)
    there = {p for p in ("data/dataset", "data/splits", *(f"{r}/{n}" for n in "ab" for r in (
        "models/tokens", "data/synthetic", "models/classifier"))) if Path(p).exists()}  # fmt: skip
    assert there == {f"{room}/b" for room in ("models/tokens", "data/synthetic", "models/classifier")}
    assert not Path("models/adapters/follows").exists()  # it learned from tokens that she trained
    assert all(o.exists() for objects in kept.values() for o in objects)
    shared = runs.Cache(clone.cache, {}).object(clone.keep(SHARED))
    assert not [o for objects in gone.values() for o in objects if o.exists() and o != shared]
    assert "1 made from it, in 1 sets" in capsys.readouterr().out


def test_earlier_outputs_in_dvcs_cache_go_too(clone):
    before = [f for f in clone.cache.rglob("*") if f.is_file() and b"old-ann" in f.read_bytes()]
    assert before
    forget.forget(["ann"], sure=True)
    left = [f for f in clone.cache.rglob("*") if f.is_file()]
    names = {public_id("ann", f"{g}-ann").encode() for g in ("old", "new")}
    assert not [f for f in left for word in (b"old-ann", b"new-ann", *names) if word in f.read_bytes()]


def test_caches_checkpoints_and_halves_go_and_other_peoples_replies_stay(clone):
    forget.forget(["ann"], sure=True)
    assert Path("cache/paid/ne/new-bea/x").exists()
    for place in ("cache/paid/ne/new-ann", "cache/items", "runs/checkpoints", "runs/previews",
                  "data/synthetic/.a.7.part"):  # fmt: skip
        assert not Path(place).exists()


@pytest.mark.parametrize("answer", ["n", "", EOFError, KeyboardInterrupt])
def test_no_deletes_nothing(clone, monkeypatch, capsys, answer):
    def reply(_prompt):
        if isinstance(answer, str):
            return answer
        raise answer

    monkeypatch.setattr("builtins.input", reply)
    Path("dvc.yaml").touch()
    monkeypatch.setattr("sys.argv", ["forget", "ann"])
    before = _tree()
    status = {KeyboardInterrupt: "130", EOFError: "nobody answered .* so nothing was deleted; run it in a terminal"}
    ends = nullcontext() if isinstance(answer, str) else pytest.raises(SystemExit, match=status[answer])
    with ends as raised:
        forget.main()
    assert _tree() == before
    if answer is EOFError:
        assert raised.value.code not in (0, None)
        return
    said = capsys.readouterr()
    assert "nothing was deleted" in said.out + said.err


def test_an_interruption_says_how_far_it_came(clone, monkeypatch, capsys):
    deleted, remove = [], forget.shutil.rmtree

    def interrupted(path):
        if len(deleted) == 2:
            raise KeyboardInterrupt
        deleted.append(path)
        remove(path)

    monkeypatch.setattr(forget.shutil, "rmtree", interrupted)
    Path("dvc.yaml").touch()
    monkeypatch.setattr("sys.argv", ["forget", "ann", "--yes"])
    with pytest.raises(SystemExit, match="130"):
        forget.main()
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("interrupted: 2 of the files and folders listed were deleted, the others not; run the same")
    assert not any(path.exists() for path in deleted)


def test_a_file_name_is_taken_for_its_id_and_that_is_said(clone, capsys):
    forget.forget(["ann.jpg"], sure=True)
    assert "ann.jpg: taken for the image 'ann'" in capsys.readouterr().out
    assert not Path("data/dataset").exists()


@pytest.mark.parametrize("rendered", [True, False])
def test_committed_results_of_rendered_images_are_nobodys(clone, rendered):
    """As in a fresh clone: the lock has them, and none of what they were made of is here."""
    reads = {"pipeline_steps/datasets/phantom": "1" * 32} if rendered else {"photographs/labels.csv": "1" * 32}
    summary = clone.stage("report", {"data/splits/p.parquet": "4" * 32, "data/dataset": "2" * 32 + ".dir"},
                          {"metrics/summary.json": b"{}"})  # fmt: skip
    ingest = {
        "cmd": "exec python -m pipeline_steps.ingest --out x",
        "deps": [{"path": p, "md5": m} for p, m in reads.items()],
        "outs": [{"path": "data/dataset", "md5": "2" * 32 + ".dir"}],
    }
    record = clone.cache / "runs/ab/phantom/1"  # as the lock of an earlier commit has it
    record.parent.mkdir()
    with record.open("w") as out:
        YAML(typ="safe").dump(ingest, out)
    clone.stage("evaluate@p", {"data/splits/p.parquet": "4" * 32, "data/dataset": "2" * 32 + ".dir"},
                {"metrics/classification/p.json": b"0.5"})  # fmt: skip
    Path("metrics/screen").mkdir()
    Path("metrics/screen/.gitkeep").touch()
    Path("metrics/screen/left.json").write_bytes(b"{}" if rendered else b"{1}")  # made by report, too, says its content
    forget.forget(["ann"], sure=True)
    left = [Path(p).exists() for p in (*summary, "metrics/classification/p.json", "metrics/screen/left.json")]
    assert left == [rendered] * 3


def test_what_was_chosen_alone_is_deleted(clone, monkeypatch, capsys):
    answers = iter(["what?", "0", "1-99", "1"])
    monkeypatch.setattr("builtins.input", lambda _: next(answers))
    forget.forget(["ann"], sure=False)
    assert not Path("data/dataset").exists()
    assert Path("models/tokens/a").exists()
    assert "kept as you said: 2, 3" in capsys.readouterr().out


def test_a_public_id_and_several_ids_are_understood(clone, capsys):
    forget.forget([public_id("ann", "new-ann"), public_id("bea", "old-bea")], sure=True)
    said = capsys.readouterr().out
    assert "ann: public id" in said
    assert "bea: public id" in said
    assert "ann.jpg, bea.jpg" in said
    assert not Path("models/tokens/b").exists()  # bea trained those


def test_an_unknown_id_is_refused_with_what_may_be_meant(clone):
    before = _tree()
    with pytest.raises(DataError, match=r"no image 'cleoo' \(did you mean 'cleo'\?\), 'zzzzz' in data/dataset"):
        forget.forget(["cleoo", "zzzzz", "ann"], sure=True)
    assert _tree() == before


def test_an_image_that_only_an_earlier_run_had_is_found(clone):
    """The table was mended and dvc repro ran before anybody thought of the caches."""
    clone.stage("ingest", {}, {"data/dataset": {"manifest.parquet": manifest_of(("bea", "cleo"), "new")}})
    forget.forget(["ann"], sure=True)
    assert Path("data/dataset/manifest.parquet").exists()
    assert not [f for f in clone.cache.rglob("*") if f.is_file() and b"old-ann" in f.read_bytes()]


def test_what_remains_is_said(clone, capsys):
    forget.forget(["ann"], sure=True)
    said = capsys.readouterr().out
    for words in ("Yours to do first: remove the photograph (ann.jpg), its lesion mask", "git:", "DVC remotes",
                  "other clones", "dvc repro"):  # fmt: skip
        assert words in said


def test_every_stage_that_reads_a_split_is_known(clone):
    """Else what it wrote would count by everything that it reads, or be missed."""
    readers = {
        MODULES[n].split(".")[1] for n, s in STAGES.items() if any(d.startswith("data/splits/") for d in s["deps"])
    }
    assert readers == set(derived._SHAPING)
