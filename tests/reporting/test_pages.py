"""Blocks look the same to all who render them: the report as HTML, benchmark pages as Markdown."""

import html as entities
import re
from collections import Counter
from typing import get_args

import pytest

from pipeline_steps.reporting import html as html_module
from pipeline_steps.reporting import markdown as markdown_module
from pipeline_steps.reporting.blocks import Block, Column, Figure, Heading, Listing, Measured, Table, Words, columns
from pipeline_steps.reporting.findings import read_findings
from pipeline_steps.reporting.html import html
from pipeline_steps.reporting.markdown import markdown, table
from pipeline_steps.reporting.sections.table import SECTIONS

PNG = b"\x89PNG"


def test_both_renderers_know_every_kind_of_block():
    kinds = set(get_args(Block))
    assert set(html_module._RENDERERS) == kinds
    assert set(markdown_module._RENDERERS) == kinds


def test_html_escapes_what_people_named():
    """Conditions, augmenters and files are named by people."""
    evil = '<script>x</script> & "y"'
    blocks = [
        Heading(evil),
        Words(f"`{evil}` and **{evil}**"),
        Table([Column(evil)], [[evil], [Measured(evil, evil)]]),
        Figure("", evil, evil, PNG),
        Listing(evil, evil),
    ]
    text = html(blocks)
    assert "<script" not in text
    assert text.count("&lt;script&gt;x&lt;/script&gt; &amp;") == 11
    assert f"<code>{entities.escape(evil)}</code> and <b>{entities.escape(evil)}</b>" in text


def test_a_table_in_html_says_where_columns_stand_and_whose_they_are():
    head = columns("a", "b", "c", words=["b"], quiet=["c"])
    text = html([Table(head, [["x", "y", Measured("1.0", "0.9 to 1.1")]])])
    assert '<tr><th>a</th><th class="l">b</th><th class="quiet">c</th></tr>' in text
    assert '<td>x</td><td class="l">y</td><td class="quiet">1.0<br><small>0.9 to 1.1</small></td>' in text


def test_a_table_in_markdown_keeps_its_cells(tmp_path):
    head = columns("a|b", "words", "n", words=["words"])
    lines = markdown([Table(head, [["x\ny", "|", Measured("1", "0 to 2")]])], tmp_path / "p.md").splitlines()
    assert lines == [r"| a\|b | words | n |", "|---|---|---:|", r"| x y | \| | 1 (0 to 2) |"]
    assert table(["a", "b"], [["x", 1]]) == "| a | b |\n|---|---:|\n| x | 1 |"


@pytest.mark.parametrize("render", [html, lambda b: markdown(b, None)])
def test_a_row_of_another_width_is_refused(render):
    with pytest.raises(ValueError, match="zip"):
        render([Table(columns("a", "b"), [["one"]])])


def test_figures_become_files_beside_the_page(tmp_path):
    blocks = [Figure("", "one", "", PNG), Figure("a: b/c", "two", "Said.", PNG)]
    assert markdown(blocks, tmp_path / "page.md") == "![one](page.png)\n\n![two](page_a_b_c.png)\n\nSaid."
    assert {f.name for f in tmp_path.iterdir()} == {"page.png", "page_a_b_c.png"}


def _words(text):
    """Words and numbers, how often each occurs."""
    return Counter(re.findall(r"[^\W_]+(?:\.\d+)?", text))


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_both_renderers_say_the_same_of_every_section(section, toy, tmp_path, monkeypatch):
    monkeypatch.chdir(toy)
    blocks = list(section(read_findings()))
    page = re.sub(r'<img alt="([^"]*)"[^>]*>', r"\1 ", html(blocks))
    page = entities.unescape(re.sub(r"<[^>]+>", " ", page))
    pictures = re.compile(r"!\[([^]]*)\]\([^)]*\)")
    assert _words(page) == _words(pictures.sub(r"\1", markdown(blocks, tmp_path / "page.md")))
    assert blocks or section.__name__ in ("learned", "segmentation"), "toy has neither twins nor segmenters"
