"""Tables as people have them: any delimiter, encoding, line end and header."""

from pathlib import Path

import pytest

from app.imports.formats import open_source
from app.imports.found import FileRefused, Found, FoundItem, Options, Refused

RUSSIAN = "\u043f\u0440\u0438\u0432\u0435\u0442"


def read(path: Path, content: bytes | str, **said: object) -> list[Found]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with open_source(path) as source:
        return list(source.read(Options(**said)))  # type: ignore[arg-type]


def texts(found: list[Found]) -> list[str | None]:
    return [item.text for item in found if isinstance(item, FoundItem)]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "reviews.csv"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_delimiter_and_line_end_are_found(table: Path, delimiter: str, line_end: str) -> None:
    rows = [f"text{delimiter}label", f'"a{delimiter} b"{delimiter}good', f"c, d{delimiter}bad"]
    if delimiter == ",":
        rows[2] = '"c, d",bad'
    found = read(table, line_end.join(rows))
    assert texts(found) == [f"a{delimiter} b", "c, d"]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_encoding_is_found(table: Path, encoding: str) -> None:
    found = read(table, "text,label\nÜber “café”,good\n".encode(encoding))
    assert texts(found) == ["Über “café”"]


def test_encoding_is_named(table: Path) -> None:
    content = f"text,label\n{RUSSIAN},good\n".encode("cp1251")
    assert texts(read(table, content, encoding="cp1251")) == [RUSSIAN]
    with pytest.raises(FileRefused, match="no encoding 'cp9999'"):
        read(table, content, encoding="cp9999")


def test_damaged_utf8_refuses_its_line_alone(table: Path) -> None:
    found = read(table, b"text,label\n\xc3\xa4good,a\nbr\xff\xfeoken,b\nfine,a\n")
    assert texts(found) == ["ägood", "fine"]
    (refused,) = (each for each in found if isinstance(each, Refused))
    assert (refused.line, "UTF-8" in refused.detail) == (3, True)


def test_quotes_may_hold_lines_and_quotes(table: Path) -> None:
    found = read(table, 'text,label\n"one\ntwo ""x""",a\nthree,b\n')
    assert texts(found) == ['one\ntwo "x"', "three"]
    assert [each.line for each in found] == [2, 4]


def test_a_quote_that_never_closes_names_its_line(table: Path) -> None:
    (good, refused) = read(table, 'text,label\nfine,a\n"open,b\nc,d\n')
    assert isinstance(good, FoundItem)
    assert isinstance(refused, Refused)
    assert (refused.line, "may never close" in refused.detail) == (3, True)


def test_too_many_cells_name_the_line(table: Path) -> None:
    _, refused = read(table, "text,label\na,b\nc,d,e\n")
    assert isinstance(refused, Refused)
    assert refused.line == 3
    assert "3 cells, the table 2 columns" in refused.detail


def test_without_a_header_columns_are_numbers(table: Path) -> None:
    content = '"3","Title","Body"\n"1","Another","More"\n'
    with pytest.raises(FileRefused, match="it has 1, 2, 3"):
        read(table, content)
    found = read(table, content, columns={"1": "class", "2": "text", "3": "text"})
    assert texts(found) == ["Title\n\nBody", "Another\n\nMore"]
    assert isinstance(found[0], FoundItem)
    assert found[0].labels[0].class_name == "3"


def test_columns_are_mapped_and_the_others_are_metadata(table: Path) -> None:
    content = "key,remark,mood,stars,where\nk-1,fine,good,5,web\n"
    mapped = {"key": "external_id", "remark": "text", "mood": "class", "where": "ignore"}
    (item,) = read(table, content, columns=mapped)
    assert isinstance(item, FoundItem)
    assert (item.external_id, item.text, item.metadata) == ("k-1", "fine", {"stars": "5"})
    with pytest.raises(FileRefused, match="no column 'nope'"):
        read(table, content, columns={"nope": "text"})
    with pytest.raises(FileRefused, match="no field 'klass'"):
        read(table, content, columns={"mood": "klass"})


def test_several_annotators_of_an_item_are_put_together(table: Path) -> None:
    content = "id,text,label,annotator\n1,a,x,ada\n1,a,y,bob\n2,b,x,ada\n"
    first, second = read(table, content)
    assert isinstance(first, FoundItem)
    assert [(g.annotator, g.class_name) for g in first.labels] == [("ada", "x"), ("bob", "y")]
    assert second.external_id == "2"


def test_splits_are_named_as_elsewhere(table: Path) -> None:
    content = "text,split\na,train\nb,validation\nc,fold-7\n"
    first, second, refused = read(table, content)
    assert isinstance(first, FoundItem)
    assert isinstance(second, FoundItem)
    assert isinstance(refused, Refused)
    assert (first.split, second.split) == ("pool", "evaluation")
    assert "fold-7" in refused.detail


def test_an_empty_table_is_refused(table: Path) -> None:
    with pytest.raises(FileRefused, match="empty"):
        read(table, "")
    with pytest.raises(FileRefused, match="no file"):
        read_missing(table.with_name("none.csv"))


def read_missing(path: Path) -> None:
    with open_source(path):
        pass
