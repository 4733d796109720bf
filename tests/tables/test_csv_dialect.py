"""The delimiter is found by the header and the first rows, the encoding by the first bytes."""

from __future__ import annotations

import pytest

from runner.tables.csv_dialect import find_dialect
from runner.tables.text_encoding import find_encoding


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2,5\n", ";"),
        ("a;b\n1,5;x\n1;y\n", ";"),
        ("a\tb\nHello, you; there\t2\n", "\t"),
        ("a|b\n1|2\n", "|"),
        ("id;text, long\n1;Hello\n2;One, two\n", ";"),
        ('id,"a;b;c;d"\n1,"x;y;z;w"\n', ","),
        ('"a;b","c"\n"1;2","3"\n', ","),
        ('id;text\n1;"a\nb,c\nd,e"\n2;x\n', ";"),
        ("text\nHello, you\n", ","),
        ("Which? a|b\nyes\nno\n", ","),
        ("a;b;c,d\n", ";"),
        ("a;b\n1\n1;2\n1;2\n", ";"),
        ("", ","),
        ("\n\n", ","),
        ('id,"a;b;c"\n1,x;y;z\n', ","),
        ('a;b;c,d\n1,"2;3;4"\n', ","),
        ('a;b\n"""";x\n"""";y\n', ";"),
        ('a;b\n"5"" disk";1,5\n"""";2,5\n', ";"),
        ('id;text\n1;"' + "x," * 100_000 + '"\n', ";"),
    ],
)
def test_the_delimiter_is_found(text: str, delimiter: str) -> None:
    """Whatever other delimiters stand in the cells."""
    assert find_dialect(text, None, is_whole=True).delimiter == delimiter


def test_a_row_that_is_cut_does_not_count() -> None:
    """The beginning of a file ends anywhere: here before the comma of the last row."""
    text = "x;y,b\n1;5,2\n3;4"

    assert find_dialect(text, None, is_whole=False).delimiter == ","
    assert find_dialect(text, None, is_whole=True).delimiter == ";"


@pytest.mark.parametrize(
    ("given", "delimiter"), [(";", ";"), (r"\t", "\t"), ("TAB", "\t"), ("pipe", "|"), ("§", "§")]
)
def test_the_delimiter_given_rules(given: str, delimiter: str) -> None:
    """A tab can be spelled."""
    assert find_dialect("sep=,\na,b\n", given, is_whole=True) == (delimiter, "sep=,\n")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"a\n", "utf-8"),
        ("é\n".encode(), "utf-8"),
        (b"\xe9\n", "cp1252"),
        (b"\xe9\n\xc3\xa9\n", "utf-8"),  # one bad row in a UTF-8 file
        (b"a\n\xc3\xa9\xe9\n", "cp1252"),
    ],
)
def test_the_encoding_is_found(head: bytes, name: str) -> None:
    """Windows-1252 only where no line speaks for UTF-8."""
    assert find_encoding(head, None, is_whole=True).name == name


def test_a_character_that_is_cut_does_not_count() -> None:
    """The beginning of a file may end inside of a character."""
    assert find_encoding(b"a\n\xc3", None, is_whole=False).name == "utf-8"
    assert find_encoding(b"a\n\xc3", None, is_whole=True).name == "cp1252"
