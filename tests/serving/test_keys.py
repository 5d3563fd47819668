from __future__ import annotations

import hmac
import logging
import pickle

import pytest

from glioray.errors import ServingError
from glioray.serving.keys import KeyFile, KeyRing, find_keys

ONE, OTHER, THIRD = "a" * 16, "b" * 40, "c" * 20


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "keys"
    path.write_text(f"# of the ward\nward:{ONE}\n\nresearch:{OTHER}\n")
    return path


@pytest.fixture
def keys(file):
    return KeyFile(file, check_every_s=0)


def test_a_key_is_known_by_its_name(keys):
    assert keys.name_of(ONE.encode()) == "ward"
    assert keys.name_of(OTHER.encode()) == "research"
    assert keys.name_of(THIRD.encode()) is None
    assert keys.name_of(b"") is None


def test_every_key_is_compared_whichever_matches(monkeypatch):
    ring = KeyRing.parse([("", f"ward:{ONE}"), ("", f"research:{OTHER}"), ("", f"ward:{THIRD}")])
    compared = []
    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda one, other: compared.append(other) or compare(one, other))

    assert ring.name_of(ONE.encode()) == ring.name_of(THIRD.encode()) == "ward"

    assert len(compared) == 6


def test_what_is_kept_and_shown_is_not_the_key(keys):
    assert ONE.encode() not in pickle.dumps(keys)
    assert ONE not in repr(KeyRing.parse([("", f"ward:{ONE}")]))


def test_a_file_that_is_written_anew_changes_the_keys_without_a_restart(keys, file):
    file.write_text(f"ward:{THIRD}\n")

    assert keys.name_of(THIRD.encode()) == "ward"
    assert keys.name_of(ONE.encode()) is None


@pytest.mark.parametrize(
    "content", ["", "# nothing but a remark\n", "ward:short\n", "no colon here\n", b"\xff\xfe\x00"]
)
def test_a_file_that_is_spoiled_leaves_the_last_good_keys_and_says_so_once(keys, file, caplog, content):
    file.write_bytes(content if isinstance(content, bytes) else content.encode())

    with caplog.at_level(logging.ERROR):
        assert keys.name_of(ONE.encode()) == "ward"
        assert keys.name_of(THIRD.encode()) is None

    (record,) = caplog.records
    assert "the 2 keys read before stay valid" in record.getMessage()


def test_a_file_that_is_gone_leaves_the_last_good_keys_until_it_is_back(keys, file):
    file.unlink()
    assert keys.name_of(ONE.encode()) == "ward"

    file.write_text(f"ward:{THIRD}\n")
    assert keys.name_of(ONE.encode()) is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ward:tooshort12345", "the key of 'ward' has 13 characters, at least 16 are wanted; make one"),
        (f"{ONE}", "has no name; write NAME:KEY"),
        (f"the ward:{ONE}", "a name before the colon is 1 to 64 letters"),
        (f"ward:{ONE} {ONE}", "the key of 'ward' has a space"),
        (f"ward:{OTHER}\nother:{OTHER}", "'other' and 'ward' have the same key"),
    ],
)
def test_a_line_that_is_wrong_is_refused_with_its_number_and_never_with_its_key(tmp_path, line, said):
    path = tmp_path / "keys"
    path.write_text(line)

    with pytest.raises(ServingError, match=said) as raised:
        KeyFile(path)

    assert f"keys file {path}, line {line.count(chr(10)) + 1}: " in str(raised.value)
    assert ONE not in str(raised.value)
    assert OTHER not in str(raised.value)
    assert "tooshort12345" not in str(raised.value)


def test_keys_of_the_environment_are_parted_by_commas():
    keys = find_keys({"GLIORAY_API_KEYS": f"ward:{ONE}, research:{OTHER}"}, None)

    assert keys is not None
    assert (keys.name_of(ONE.encode()), keys.name_of(OTHER.encode())) == ("ward", "research")


def test_a_file_is_named_by_the_settings_or_by_the_environment(file):
    for keys in (find_keys({}, str(file)), find_keys({"GLIORAY_API_KEYS_FILE": str(file)}, None)):
        assert keys is not None
        assert keys.name_of(ONE.encode()) == "ward"


def test_nothing_given_is_no_keys():
    assert find_keys({"HOME": "/"}, None) is None


@pytest.mark.parametrize("given", ["", " , "])
def test_a_variable_that_is_set_and_empty_is_refused_and_not_taken_for_no_keys(given):
    with pytest.raises(ServingError, match="GLIORAY_API_KEYS is set and holds no key"):
        find_keys({"GLIORAY_API_KEYS": given}, None)


def test_keys_in_two_places_are_refused(file):
    with pytest.raises(ServingError, match=r"args\.keys_file and by GLIORAY_API_KEYS: leave one"):
        find_keys({"GLIORAY_API_KEYS": f"ward:{ONE}"}, str(file))


@pytest.mark.parametrize("path", ["nowhere", ""])
def test_a_file_that_is_not_there_at_the_start_is_refused(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ServingError, match="cannot be read"):
        find_keys({}, path)
