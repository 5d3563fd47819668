"""How well a model tells what it does not know: the share that it flags of its test images, and of other pictures.

    python benchmarks/strangers.py RUN DATA [--json]

RUN is a run that `glioray evaluate` has seen, DATA the prepared folder of its training. The pictures are no brain MRI:
photographs of scikit-image and scikit-learn, text, digits, noise, shapes, and heads as CT has them. One that cannot be
prepared counts as flagged, since the service refuses it. Beside them the test images turned and negated: no share is
right there, since a scan may lie in any way.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from _pictures import pictures
from torch import Tensor

from glioray.data.prepared import iterate_batches
from glioray.errors import GliorayError
from glioray.evaluation.tested import open_data
from glioray.registry.locate import locate
from glioray.serving.predictor import Predictor

CHANGES = {
    "upside down": lambda images: images.flip(-2),
    "on its side": lambda images: images.rot90(1, (-2, -1)),
    "negative": lambda images: 255 - images,
}


def main() -> None:
    """Prints the table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("data", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    bundle = locate(options.run, "").bundle
    predictor = Predictor.load(bundle)
    if predictor.domain is None:
        raise SystemExit(f"{options.run}: does not know what it knows; run `glioray evaluate {options.run}` first")
    dataset = open_data(options.data, bundle.config)
    test = torch.cat([batch["image"] for batch in iterate_batches(dataset.folder, dataset.manifest, "test", 64)])
    known = {name: not is_flagged for name, is_flagged in _flagged(predictor)}
    shares = {"test images": _share(predictor, test), "pictures": 1 - sum(known.values()) / len(known)}
    shares |= {f"test images {name}": _share(predictor, change(test)) for name, change in CHANGES.items()}
    missed = [name for name, is_known in known.items() if is_known]
    if options.json:
        print(json.dumps({"shares": shares, "test_images": len(test), "pictures": len(known), "missed": missed}))
        return
    for name, share in shares.items():
        of = len(known) if name == "pictures" else len(test)
        print(f"{name:32} {share:.3f} of {of} flagged")
    print(f"\npictures not flagged: {', '.join(missed) or 'none'}")


def _flagged(predictor: Predictor) -> Iterator[tuple[str, bool]]:
    num_channels = predictor.config.signature.in_channels
    for name, grey in pictures().items():
        try:
            prepared = predictor.prepare(np.repeat(grey[None], num_channels, axis=0))
        except GliorayError:
            yield name, True
        else:
            yield name, predictor.is_known(torch.from_numpy(prepared.image[None])) != [True]


def _share(predictor: Predictor, images: Tensor) -> float:
    known = [one for part in images.split(64) for one in predictor.is_known(part)]
    return 1 - sum(map(bool, known)) / len(known)


if __name__ == "__main__":
    main()
