"""What comes from data is shown in Markdown as it is, and does nothing there."""

import pytest

from dltrain.report.markdown import code, plain, table


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[a](javascript:x)", "\\[a\\](javascript:x)"),
        ("<img src=x>", "&lt;img src=x&gt;"),
        ("a|b\n# c", "a\\|b # c"),
        ("`x` *y* $z$", "\\`x\\` \\*y\\* \\$z\\$"),
        ("https://example.org", "https:&#47;&#47;example.org"),
        ("a\x1b[31m", "a\\\\x1b\\[31m"),
    ],
)
def test_words_do_nothing(text, wanted):
    assert plain(text) == wanted


def test_a_cell_never_ends_its_row():
    assert table(("a",), [("x | y\nz",)]) == ["| a |", "| --- |", "| x \\| y z |"]


def test_a_block_of_code_ends_only_where_it_ends():
    assert code("a\n````\nb", "yaml") == ["`````yaml", "a\n````\nb", "`````"]
