"""An answer of each call, as OpenAPI and the page `/docs` show it; a test holds them against the schemas."""

from __future__ import annotations

from typing import Any

from glioray.registry.card import NOT_A_DEVICE

_CLASSIFIER: dict[str, Any] = {
    "name": "kinds",
    "version": 3,
    "aliases": ["latest"],
    "task": "classification",
    "architecture": "custom_cnn",
    "channels": ["grey"],
    "image_size": 128,
    "classes": ["glioma", "meningioma", "notumor", "pituitary"],
    "labels": {},
    "regions": {},
    "colors": {},
    "explanations": ["gradcam"],
    "scores": [],
    "data_fingerprint": "0123456789ab",
    "leak": None,
    "synthetic": False,
    "notice": NOT_A_DEVICE,
}
EXAMPLES: dict[str, Any] = {
    "/healthz": {"status": "alive"},
    "/readyz": {"ready": True, "models": {"kinds@3": True, "regions@1": True}},
    "/v1/models": {"models": [_CLASSIFIER]},
    "/v1/classify": {
        "model": "kinds",
        "version": 3,
        "elapsed_ms": 8.41,
        "notice": NOT_A_DEVICE,
        "in_domain": True,
        "label": "meningioma",
        "confidence": 0.91,
        "probabilities": {"glioma": 0.05, "meningioma": 0.91, "notumor": 0.01, "pituitary": 0.03},
        "explanation": {
            "method": "gradcam",
            "label": "meningioma",
            "overlay": "data:image/png;base64,iVBORw0KGgo...",
            "peak": [88, 131],
        },
    },
    "/v1/segment": {
        "model": "regions",
        "version": 1,
        "elapsed_ms": 31.7,
        "notice": NOT_A_DEVICE,
        "in_domain": True,
        "labels": {
            "necrotic": {"value": 1, "pixels": 2, "area_share": 0.125},
            "edema": {"value": 2, "pixels": 4, "area_share": 0.25},
        },
        "mask": {"shape": [4, 4], "values": [0, 2, 1, 2, 0], "counts": [5, 2, 2, 2, 5]},
        "scaled_by": "this slice alone",
        "uncertainty": "data:image/png;base64,iVBORw0KGgo...",
        "mean_uncertainty": 0.21,
    },
}
PROBLEM: dict[str, Any] = {
    "type": "about:blank",
    "title": "The image cannot be read",
    "status": 400,
    "detail": "'scan.png': a damaged PNG (image file is truncated).",
    "instance": "/v1/classify",
    "request_id": "5f0c1e1b7a6d4a0c9d1f2e3a4b5c6d7e",
}
