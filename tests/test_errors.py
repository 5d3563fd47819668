from __future__ import annotations

import inspect

from glioray import errors


def test_every_error_is_in_the_tree_of_the_docstring_and_descends_from_one():
    classes = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if cls.__module__ == errors.__name__]

    assert all(issubclass(cls, errors.GliorayError) for cls in classes)
    assert [cls.__name__ for cls in classes if cls.__name__ not in (errors.__doc__ or "")] == []


def test_the_nearest_name_is_suggested():
    assert errors.did_you_mean("learning_rte", ["learning_rate", "name"]) == "; did you mean 'learning_rate'?"


def test_without_a_near_name_all_are_listed():
    assert errors.did_you_mean("xyz", ["b", "a"]) == "; there is: a, b"


def test_where_there_is_nothing_it_says_so():
    assert errors.did_you_mean("xyz", []) == "; there is: none"
