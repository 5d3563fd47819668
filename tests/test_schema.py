from __future__ import annotations

import pytest

from glioray.errors import BundleError, SchemaError
from glioray.schema import require_version


def check(content: object, **options: object) -> None:
    require_version(content, 2, "a.json: thing", "make it again: `glioray thing`.", **options)


def test_its_own_version_passes() -> None:
    check({"schema_version": 2})


def test_an_older_one_is_refused_with_both_numbers_and_the_command() -> None:
    with pytest.raises(SchemaError) as raised:
        check({"schema_version": 1})

    assert str(raised.value) == (
        "a.json: thing of schema version 1; this glioray reads version 2. Make it again: `glioray thing`."
    )


def test_of_a_newer_one_the_newer_program_is_named_first() -> None:
    with pytest.raises(BundleError, match=r"version 3; .* newer glioray than this one, .*: install that one, or make"):
        check({"schema_version": 3}, error=BundleError)


@pytest.mark.parametrize("version", [None, "2", True, 2.5, [2]])
def test_what_is_no_version_is_refused(version) -> None:
    with pytest.raises(SchemaError, match="of schema version"):
        check({"schema_version": version})


def test_a_file_from_before_there_were_versions_is_of_the_one_that_is_said() -> None:
    check({}, unnamed=2)
    with pytest.raises(SchemaError, match="version 1; this glioray reads version 2"):
        check({}, unnamed=1)
    with pytest.raises(SchemaError, match="version None"):
        check({})
