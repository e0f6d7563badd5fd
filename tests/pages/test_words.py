"""Numbers, times and money as people read them."""

from datetime import UTC, datetime, timedelta

import pytest

from app.pages.words import (
    ago,
    decimal,
    duration,
    money,
    parts,
    plain,
    shortened,
    stage,
    until,
    work,
)

DASH = "\u2013"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, DASH),
        (0.04, "0.0 s"),
        (9.96, "10.0 s"),
        (61, "61 s"),
        (600, "10 min"),
        (3 * 3600, "3.0 h"),
        (36 * 3600, "36.0 h"),
        (5 * 86_400, "5.0 days"),
    ],
)
def test_durations_have_the_unit_that_suits_them(seconds: float | None, words: str) -> None:
    assert duration(seconds).replace("\u202f", " ") == words


def test_instants_are_told_from_now() -> None:
    now = datetime.now(UTC)
    assert ago(now) == "just now"
    assert ago(now - timedelta(minutes=5)).replace("\u202f", " ") == "5 min ago"
    assert until(now - timedelta(minutes=5)) == "any moment"
    assert until(now + timedelta(minutes=5, seconds=1)).replace("\u202f", " ") == "in 5 min"
    assert (ago(None), until(None)) == (DASH, DASH)


def test_money_names_and_long_texts() -> None:
    assert money(1234.5, "EUR").replace("\u202f", " ") == "1,234.50 EUR"
    assert (money(2), money(None, "EUR"), decimal(None)) == ("2.00", DASH, DASH)
    assert plain("train_and_select") == "train and select"
    assert (shortened("abc", 3), shortened("abcd", 3)) == ("abc", "abc\u2026")


def test_short_parts_are_told_together() -> None:
    told = parts({"metrics": 0.01, "training": 1.7, "evaluation": 0.2, "packing": 0.04})
    assert told.replace("\u202f", " ") == "training 1.7 s, evaluation 0.2 s, the rest 0.1 s"
    assert parts({}) == f"together {DASH}"
    assert parts({"control": 0.01}).replace("\u202f", " ") == "together 0.0 s"


def test_jobs_are_named_in_words() -> None:
    assert [work("train_and_select"), work("pack"), work("import")] == [
        "Train and select", "Prepare the items", "Import",
    ]  # fmt: skip
    assert stage("epoch-6") == "epoch 6"
