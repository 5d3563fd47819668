"""Trained weights of timm from the Hugging Face hub, kept in its cache; asked for once, and not for long.

The hub's own client tries an unreachable server for half a minute without a word of what to do; here it is asked
whether the file is there first, once.
"""

from __future__ import annotations

from pathlib import Path

from glioray.errors import RecipeError
from glioray.models._sizes import brief
from glioray.models._timm import library

TIMEOUT_S = 10.0
FILES = ("model.safetensors", "pytorch_model.bin")  # as timm looks for them


def fetch(architecture: str) -> Path:
    """Where the trained weights of a network of timm are on this machine, downloaded where they are not.

    Raises:
        RecipeError: there are none, or they cannot be fetched; the text says how to bring them.
    """
    config = library().get_pretrained_cfg(architecture, allow_unregistered=False)
    if not config.has_weights:
        raise RecipeError(
            f"model.pretrained: timm has no weights for {architecture!r}; set model.pretrained=false, or choose one of "
            "`timm.list_pretrained()`"
        )
    if not config.hf_hub_id:
        raise RecipeError(
            f"model.pretrained: the weights of {architecture!r} are not on the hub; download {config.url} and set "
            "model.pretrained=false model.weights=FILE"
        )
    return _cached(config.hf_hub_id) or _download(config.hf_hub_id, architecture)


def _cached(repository: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = (try_to_load_from_cache(repository, name) for name in FILES)
    return next((Path(path) for path in found if isinstance(path, str)), None)


def _download(repository: str, architecture: str) -> Path:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    problem: Exception | None = None
    for name in FILES:
        try:
            get_hf_file_metadata(hf_hub_url(repository, name), timeout=TIMEOUT_S)  # unlike a download, it tries once
            return Path(hf_hub_download(repository, name, etag_timeout=TIMEOUT_S))
        except EntryNotFoundError as error:
            problem = error
        except Exception as error:  # no network, no such repository, a full disk: each library has its own
            problem = error
            break
    assert problem is not None
    raise RecipeError(
        f"model.pretrained: the weights of {architecture!r} cannot be fetched ({brief(problem)}); on a machine with "
        f"network: `hf download {repository} {FILES[0]}`, copy the file here, and set model.pretrained=false "
        "model.weights=FILE; or begin from nothing with model.pretrained=false"
    )
