"""The service as a child process, over two small models that were trained on the phantom for an epoch."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml

sys.path.insert(0, str(Path(__file__).parent))
from _services import running
from _small import small_run

from glioray.cluster import LOOPBACK, free_port
from glioray.data.phantom import PhantomSettings, write_phantom
from glioray.evaluation.arrangement import Entry
from glioray.evaluation.together import evaluate_runs
from glioray.registry.locate import locate
from glioray.registry.store import Store

KEYS = {"ward": "w" * 32, "clinic": "c" * 32}
PHANTOM = PhantomSettings(num_patients=40, image_size=96, num_slices=16, slices_per_patient=2)
RECIPES = {
    "kinds": ("custom_cnn", {}),
    "regions": ("classic_unet", {"model.base_filters": 4, "model.norm": "none", "augmentation.fill": 0.0}),
}


@dataclass(frozen=True)
class Service:
    """Where it listens, a key that it takes (none: it has no keys), and the process whose children it consists of."""

    url: str
    key: str | None
    pid: int | None

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.key is None else {"X-API-Key": self.key}

    @property
    def address(self) -> tuple[str, int]:
        url = httpx.URL(self.url)
        return url.host, url.port or 80

    def client(self, timeout_s: float = 120) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=self.headers, timeout=timeout_s)

    def channels(self) -> tuple[str, ...]:
        """Of the segmentation model that is asked by default."""
        with self.client() as client:
            models = client.get("/v1/models").raise_for_status().json()["models"]
        return tuple(next(model["channels"] for model in models if model["task"] == "segmentation"))


def publish_models(folder: Path) -> Path:
    """A registry with a classifier `kinds` and a segmenter `regions`, which know what they know."""
    registry = folder / "registry"
    write_phantom(folder / "phantom", PHANTOM)
    for name, (recipe, settings) in RECIPES.items():
        run = small_run(recipe, folder / "phantom", PHANTOM.image_size, folder / name, settings)
        found = locate(str(run.folder), str(registry))
        evaluate_runs([Entry(str(run.folder), found)], run.data.folder, None, "test", lambda *_: None)
        Store(str(registry)).publish(found.folder, name)
    return registry


@contextlib.contextmanager
def served(folder: Path, registry: Path, total_timeout_s: float) -> Iterator[Service]:
    """`glioray serve` with its usual settings and keys; only a slow request is given up after less time."""
    config, keys, port = folder / "serve.yaml", folder / "keys", free_port(8200)
    keys.write_text("".join(f"{name}:{key}\n" for name, key in KEYS.items()))
    settings = yaml.safe_load(Path("serve/local.yaml").read_text())
    settings["applications"][0]["args"] |= {"total_timeout_s": total_timeout_s}
    settings["applications"][0]["args"] |= {
        "access_log": str(folder / "access.jsonl"),
        "request_timeout_s": total_timeout_s,
    }
    config.write_text(yaml.safe_dump(settings))
    command = [str(Path(sys.executable).with_name("glioray")), "serve", "--config", str(config)]
    command += ["--registry", str(registry), "--port", str(port), "--keys", str(keys)]
    url = f"http://{LOOPBACK}:{port}"
    with running(command, url, "/readyz", folder / "serve.log") as process:
        yield Service(url, KEYS["ward"], process.pid)
