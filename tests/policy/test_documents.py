from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudmgr.policy.documents import MAX_BYTES, read_document


def content(text: str) -> object:
    document, problems = read_document("a.yaml", text.encode())
    assert not problems, problems
    assert document is not None
    return document.content


def problem(text: str) -> str:
    _, problems = read_document("a.yaml", text.encode())
    assert problems, "nothing was found"
    return str(problems[0])


def test_words_stay_words_and_whole_numbers_numbers() -> None:
    assert content("{a: no, b: on, c: 2026-01-01, d: 12:30, e: -3, f: true, g: null, h: '7'}") == {
        "a": "no", "b": "on", "c": "2026-01-01", "d": "12:30",
        "e": -3, "f": True, "g": None, "h": "7",
    }  # fmt: skip


@pytest.mark.parametrize(
    "number", ["0.35", "1e3", ".5", "007", "1_000", "0x1F", "+5", ".inf", ".nan", "9" * 19]
)
def test_a_number_that_is_not_plain_must_be_quoted(number: str) -> None:
    assert problem(f"a:\n  b: {number}") == (
        f"a.yaml:2: a.b: {number} is not a plain whole number: quote it"
    )
    assert content(f"a: '{number}'") == {"a": number}


def test_a_key_that_stands_twice_is_named_with_both_lines() -> None:
    assert problem("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n") == (
        "a.yaml:5: b.c: the key stands here twice, first on line 3"
    )


def test_a_bomb_of_anchors_is_refused_at_its_first_anchor() -> None:
    layers = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    layers += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    assert problem("\n".join(layers)).startswith("a.yaml:1: a0: anchors (&) and aliases (*)")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: !!python/object/apply:os.system [id]", "a.yaml:1: a: tags are not used here"),
        ("[" * 5_000, "nested too deeply"),
        ("a:\n" + "".join(" " * i + "b:\n" for i in range(1, 60)), "nested too deeply"),
        ("", "a.yaml: the file is empty"),
        ("# nothing but a comment", "the file is empty"),
        ("a: 1\n---\nb: 2", "a.yaml:2: a file holds one document"),
        ("a: [1,\nb: {", "a.yaml:3: this is not YAML"),
        ("a: 'open", "this is not YAML"),
        ("\ta: 1", "a.yaml:1: this is not YAML"),
        ("a: \x07", "this is not YAML"),
        ("? [a]\n: 1", "a key must be a word"),
        ("? &k a\n: 1", "anchors"),
        ("a: {<<: {b: 1}}", "merge keys"),
    ],
)
def test_what_is_not_plain_yaml_is_refused(text: str, sentence: str) -> None:
    assert sentence in problem(text)


def test_a_file_that_is_not_utf8_is_refused_with_its_line() -> None:
    _, problems = read_document("a.yaml", b"a: 1\nb: \xb9\xe3\n")
    assert str(problems[0]) == "a.yaml:2: the file is not UTF-8"


def test_a_file_of_many_megabytes_is_not_even_parsed() -> None:
    _, problems = read_document("a.yaml", b"a" * (MAX_BYTES + 1))
    assert "larger than 1024 KiB" in str(problems[0])


@given(st.text(max_size=200) | st.text(alphabet="ab:-[]{}&*!#'\"|>? \n,0.1", max_size=60))
def test_any_text_is_read_or_refused_and_never_raises(text: str) -> None:
    document, problems = read_document("a.yaml", text.encode(errors="surrogatepass"))
    assert document is not None or problems


def test_a_problem_below_what_exists_stands_on_the_closest_line() -> None:
    document, _ = read_document("a.yaml", b"a:\n  - b: 1\n  - c: 2\n")
    assert document is not None
    assert str(document.problem(("a", 1, "missing"), "it is missing")) == (
        "a.yaml:3: a[1].missing: it is missing"
    )
