from __future__ import annotations

import torch

from glioray.evaluation.comparing.cost import cost_of, timed_on


def test_parameters_and_bytes_are_those_of_the_network(make_classification, make_bundle, tmp_path):
    bundle = make_bundle(make_classification([0, 1, 2], size_px=80))
    bundle.save(tmp_path / "bundle")

    found = cost_of(bundle, torch.zeros(2, 1, 80, 80, dtype=torch.uint8), "cpu")

    # Running means of BatchNorm are stored, but training does not change them.
    learned = [name for name in bundle.weights if "running" not in name and "num_batches" not in name]
    assert found.parameters == sum(bundle.weights[name].numel() for name in learned)
    assert len(learned) < len(bundle.weights)
    file_bytes = (tmp_path / "bundle" / "model.safetensors").stat().st_size
    assert 0 <= file_bytes - found.megabytes * 1e6 < 10_000  # the names of the tensors
    assert found.seconds > 0


def test_the_place_says_how_many_threads_there_were():
    assert timed_on("cpu") == f"CPU, {torch.get_num_threads()} thread{'s' * (torch.get_num_threads() > 1)}"
