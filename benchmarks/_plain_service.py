"""The same predictor behind plain FastAPI and uvicorn, as anybody would write it: no batches, no doors, no counts.

python benchmarks/_plain_service.py CLASSIFIER SEGMENTER PORT
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import uvicorn
from fastapi import FastAPI, Request

from glioray.registry.bundle import ModelBundle
from glioray.serving.drawing import runs
from glioray.serving.predictor import Predictor


def main() -> None:
    classifier, segmenter, port = sys.argv[1:]
    torch.set_num_threads(1)
    kinds, regions = (Predictor.load(ModelBundle.load(Path(folder))) for folder in (classifier, segmenter))
    app = FastAPI()

    @app.post("/v1/classify")
    async def classify(request: Request) -> dict[str, Any]:
        return asdict(kinds.classify(kinds.decode(await request.body(), "the body")))

    @app.post("/v1/segment")
    async def segment(request: Request) -> dict[str, Any]:
        answer = regions.segment(regions.decode(await request.body(), "the body"), is_scaled=True)
        values, counts = runs(answer.mask)
        return {"labels": answer.pixels, "mask": {"shape": answer.mask.shape, "values": values, "counts": counts}}

    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
