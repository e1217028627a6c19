"""Parameters that are parsed once are those that DVC reads, whatever is done to the file meanwhile."""

import os

import pytest
from dvc.dependency import param
from dvc.fs import LocalFileSystem
from dvc.utils.serialize import YAMLFileCorruptedError, load_path

from flows import params_cache
from flows.params_cache import params_parsed_once

NAMES = ["a.x", "a", "b", "d.0", "gone", "c.deep.y"]


def _read(path, names=NAMES):
    return param.read_param_file(LocalFileSystem(), str(path), names, flatten=True)


@pytest.fixture
def parsed(monkeypatch):
    """The texts that were parsed."""
    texts, whole = [], params_cache.parse_yaml
    monkeypatch.setattr(params_cache, "parse_yaml", lambda text, path: texts.append(text) or whole(text, path))
    return texts


def test_each_content_is_parsed_once_and_read_as_dvc_reads_it(tmp_path, parsed):
    file = tmp_path / "params.yaml"
    file.write_text("a: {x: 1.0e-05, n: 'no'}\nb: 2020-01-01\nc: {deep: {y: [2, z]}}\nd: [null, ü]\n", "utf-8")
    whole, some = load_path(str(file), LocalFileSystem()), _read(file)
    with params_parsed_once():
        assert [_read(file) for _ in range(3)] == [some] * 3
        assert param.load_path(str(file), LocalFileSystem()) == whole
        assert len(parsed) == 1
        before = file.stat()
        file.write_text(file.read_text("utf-8").replace("1.0e-05", "1.0e-06"), "utf-8")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert _read(file)["a.x"] == 1e-06, "an edit while stages run is seen, whatever the file's times say"
    assert len(parsed) == 2
    assert param.load_path is load_path


def test_who_changes_what_was_read_changes_it_for_nobody_else(tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text("a: {x: [1]}\n")
    with params_parsed_once():
        _read(file)["a"]["x"].append(2)
        assert _read(file)["a"] == {"x": [1]}


def test_other_files_and_broken_ones_are_dvcs_business(tmp_path, parsed):
    (tmp_path / "params.json").write_text('{"a": {"x": 1}}')
    (tmp_path / "params.yaml").write_text("a: [")
    with params_parsed_once():
        assert _read(tmp_path / "params.json") == {"a.x": 1, "a": {"x": 1}}
        assert parsed == []
        with pytest.raises(YAMLFileCorruptedError):
            _read(tmp_path / "params.yaml")
        with pytest.raises(FileNotFoundError):
            _read(tmp_path / "gone.yaml")
