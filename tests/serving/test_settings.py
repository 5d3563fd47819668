from __future__ import annotations

from pathlib import Path

import pytest

from glioray.errors import ServingError
from glioray.serving.settings import ServeArgs


@pytest.fixture
def write(tmp_path):
    def write(args: str, import_path: str = "glioray.serving.app:build") -> Path:
        path = tmp_path / "local.yaml"
        path.write_text(f"applications:\n- import_path: {import_path}\n  args: {args}\n")
        return path

    return write


def test_the_file_that_is_shipped_holds_the_defaults():
    assert ServeArgs.from_yaml(Path(__file__).parents[2] / "serve" / "local.yaml") == ServeArgs()


def test_what_is_asked_for_stands_instead_of_the_file(write):
    args = ServeArgs.from_yaml(write("{registry: here, replicas: 2}"), registry="there", models=("a",))

    assert args == ServeArgs(registry="there", replicas=2, models=("a",))


def test_every_wrong_setting_is_named_in_a_line(write):
    with pytest.raises(ServingError) as raised:
        ServeArgs.from_yaml(write("{replica: 2, max_body_mb: 0, volumes: {max_voxel: 9}}"))

    first, second, third = sorted(str(raised.value).splitlines())
    assert "args.max_body_mb: 0 is refused: input should be greater than 0" in first
    assert "args.replica: there is no such setting; did you mean 'replicas'?" in second
    assert "args.volumes.max_voxel: there is no such setting; did you mean 'max_voxels'?" in third


def test_a_file_of_another_application_is_refused(write):
    with pytest.raises(ServingError, match=r"has no application with import_path 'glioray\.serving\.app:build'"):
        ServeArgs.from_yaml(write("{}", "other:app"))


def test_a_file_that_is_not_there_is_refused_with_the_nearest(write):
    with pytest.raises(ServingError, match=r"locale.yaml: no such file; did you mean 'local.yaml'"):
        ServeArgs.from_yaml(write("{}").with_name("locale.yaml"))


def test_a_body_limit_in_megabytes_is_counted_in_bytes():
    assert ServeArgs(max_body_mb=0.5).max_body_bytes == 500_000


def test_a_request_may_not_end_before_its_model_may_answer(write):
    with pytest.raises(ServingError) as raised:
        ServeArgs.from_yaml(write("{total_timeout_s: 20, request_timeout_s: 30}"))

    assert "args: total_timeout_s 20 is below request_timeout_s 30, which it includes" in str(raised.value)


@pytest.mark.parametrize("origin", ["*", "viewer.example.org", "https://viewer.example.org/", "HTTPS://Viewer"])
def test_what_is_no_origin_is_refused(write, origin):
    with pytest.raises(ServingError, match=r"is not SCHEME://HOST or SCHEME://HOST:PORT"):
        ServeArgs.from_yaml(write(f"{{allowed_origins: ['https://viewer.example.org:8443', '{origin}']}}"))


@pytest.mark.parametrize("args", ["models", "[a, b]", "{1: a}"])
def test_args_that_are_no_settings_are_refused(write, args):
    with pytest.raises(ServingError, match="args holds settings"):
        ServeArgs.from_yaml(write(args))


def test_a_date_that_is_none_is_refused_as_no_yaml(write):
    with pytest.raises(ServingError, match="not readable as YAML: month must be in 1..12"):
        ServeArgs.from_yaml(write("2020-99-99"))
