from __future__ import annotations

import pytest

from glioray.plain_values import from_json, from_yaml

DEEP = 20_000


@pytest.mark.parametrize("text", ["[" * DEEP + "]" * DEEP, '{"a":' * DEEP + "1" + "}" * DEEP])
@pytest.mark.parametrize("read", [from_json, from_yaml])
def test_what_is_nested_too_deeply_is_refused(read, text):
    with pytest.raises(ValueError, match="nested too deeply"):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        "2020-99-99",
        "!!timestamp 9",
        "!!int x",
        "!!float x",
        "!!bool x",
        "!!float",
        "!!int '-'",
        "9" * 5000,
        "!!python/object/apply:os.getcwd []",
        "!!binary 'a'",
        "{? [a] : b}",
        "{<<: 3}",
        "=",
        "*nowhere",
        "\0",
        "a: b: c",
        "[",
    ],
)
def test_a_value_that_is_not_what_its_form_promises_is_refused_in_one_line(text):
    with pytest.raises(ValueError, match=".") as caught:
        from_yaml(f"setting: {text}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["&a [*a]", "&a {b: *a}", "a: &a [1, 2]\nb: *a"])
def test_an_alias_is_refused_since_a_few_of_them_name_gigabytes(text):
    with pytest.raises(ValueError, match="it has an alias"):
        from_yaml(text)


def test_plain_values_are_read_as_yaml_has_them():
    assert from_yaml("a: [1, 2.5, yes, null]\nb: &name text") == {"a": [1, 2.5, True, None], "b": "text"}


def test_json_is_read_with_its_hook():
    assert from_json(b'{"a": [1, null]}') == {"a": [1, None]}
    assert from_json('{"a": 1}', lambda pairs: dict(pairs) | {"b": 2}) == {"a": 1, "b": 2}


@pytest.mark.parametrize("text", ['{"a": "x\\ud800"}', '{"\\uD800": 1}', '["\\udfff"]'])
@pytest.mark.parametrize("read", [from_json, from_yaml, lambda text: from_json(text.encode())])
def test_half_a_character_is_refused(read, text):
    with pytest.raises(ValueError, match="half a character"):
        read(text)


def test_a_character_in_two_halves_is_one():
    assert from_json('["\\ud83d\\ude00\\u00e9"]') == ["\U0001f600\u00e9"]
