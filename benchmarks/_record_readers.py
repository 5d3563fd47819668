"""The readers of tables, settings, records, shards and models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from _good_files import head, saved
from _reader import Read, Reader, Reshape, by_path
from _reshape import reshape_parquet, reshape_safetensors
from _trees import reshape_csv, reshape_json, reshape_yaml
from PIL import Image

from glioray.data.clinical import read_clinical
from glioray.data.given_split import read_given_split
from glioray.data.manifest import FILE_NAME as MANIFEST
from glioray.data.prepare import prepare
from glioray.data.prepare_options import PrepareOptions
from glioray.data.prepared import PreparedDataset
from glioray.data.records import Contents, Signature
from glioray.data.shards import load_side, read_columns, read_rows
from glioray.data.sources._contract import RawScans
from glioray.data.sources._msd import read_record
from glioray.data.sources._patient_table import read_patients
from glioray.data.sources.brats_h5 import Options
from glioray.data.split import FILE_NAME as SPLIT
from glioray.errors import BundleError, DataError, RecipeError, RegistryError, ServingError, UnreadableError
from glioray.evaluation.result import Evaluation
from glioray.network import build_network
from glioray.recipe import Recipe
from glioray.registry.bundle import CONFIG, DOMAIN, WEIGHTS, BundleConfig, ModelBundle, Score, versions
from glioray.registry.rollout import FILE as ROLLOUT
from glioray.registry.rollout import change, read_rollout, serving
from glioray.registry.store import MARKER, Store
from glioray.serving.keys import KeyFile
from glioray.serving.settings import ServeArgs
from glioray.training.checkpoints import damage
from glioray.training.record import read_metrics
from glioray.tuning.space import SearchSpace

ROOT = Path(__file__).parents[1]
IMAGES = tuple(f"Training/glioma/{number}.png" for number in range(3))
PATIENTS_CSV = "file,patient\n0.png,A\nglioma/1.png,B\nTraining/glioma/2.png,\n"
SURVIVAL_CSV = "Brats20ID,Age,Survival_days,Extent_of_Resection\nP1,60.5,289,GTR\nP2,53,ALIVE (361 days later),NA\n"
MSD = (
    '{"modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}, "labels": {"0": "background", "1": "edema", '
    '"2": "non-enhancing tumor", "3": "enhancing tumour"}}'
)
GIVEN_SPLITS = {
    "sides": b'{"train": ["a", "b"], "val": ["c"], "test": ["d"]}',
    "mapping": b'{"a": "train", "b": "val", "c": "test"}',
    "nnU-Net": b'[{"train": ["a"], "val": ["b"]}, {"val": ["a"]}, {"val": ["c"]}]',
}
METRICS_CSV = b"epoch,loss,val/loss,score,best_epoch\n1,0.9,0.8,0.5,1\n2,0.7,0.7,0.6,2\n"
KEYS = b"# who may ask\nward:0123456789abcdef0123\nlab:fedcba98765432100123\n"


def record_readers(folder: Path) -> list[Reader]:
    """All of them; makes what they read below `folder`: a data set, a bundle, a registry."""
    return [*_table_readers(folder), *_setting_readers(folder), *_data_readers(folder), *_model_readers(folder)]


def _table_readers(folder: Path) -> list[Reader]:
    scans = RawScans(folder, "segmentation", Options())
    clinical = by_path(folder / "survival.csv", lambda path: read_clinical([(path, "survival.csv")]))
    patients = by_path(folder / "patients.csv", lambda path: read_patients(path, IMAGES))
    metrics = by_path(folder / "metrics.csv", lambda path: read_metrics(path.parent))
    record = by_path(folder / "dataset.json", lambda path: read_record(scans, path))
    return [
        Reader("clinical CSV", {"2020": SURVIVAL_CSV.encode()}, clinical, (), reshape_csv),
        Reader("patients CSV", {"patients": PATIENTS_CSV.encode()}, patients, (DataError,), reshape_csv),
        Reader("metrics CSV", {"run": METRICS_CSV}, metrics, (), reshape_csv),
        Reader("dataset.json", {"decathlon": MSD.encode()}, record, (UnreadableError,), reshape_json),
    ]


def _setting_readers(folder: Path) -> list[Reader]:
    written = {path.stem: path.read_bytes() for path in sorted((ROOT / "search_spaces").glob("*.yaml"))}
    served = {path.stem: path.read_bytes() for path in (ROOT / "serve").glob("*.yaml") if path.stem != "rayservice"}
    space, args = by_path(folder / "s.yaml", SearchSpace.from_yaml), by_path(folder / "a.yaml", ServeArgs.from_yaml)
    return [
        Reader("recipe", written, by_path(folder / "r.yaml", Recipe.from_yaml), (RecipeError,), reshape_yaml),
        Reader("search space", written, space, (RecipeError,), reshape_yaml),
        Reader("serve settings", served, args, (ServingError,), reshape_yaml),
        Reader("keys file", {"keys": KEYS}, by_path(folder / "keys", KeyFile), (ServingError,), reshape_csv),
    ]


def _data_readers(folder: Path) -> list[Reader]:
    pictures, volumes = (
        _prepared(folder, *each) for each in (("image_folder", _pictures(folder)), ("lgg", _volumes(folder)))
    )
    given = by_path(folder / "given.json", read_given_split)
    return [
        _of_both("manifest", MANIFEST, volumes, pictures),
        _of_both("split", SPLIT, volumes, pictures),
        Reader("given split", GIVEN_SPLITS, given, (DataError,), reshape_json),
        _shard_reader(PreparedDataset.open(pictures)),
    ]


def _of_both(name: str, file: str, folder: Path, other: Path) -> Reader:
    """Of a file of one data set, or of another in its place."""
    good = {place.name: (place / file).read_bytes() for place in (folder, other)}
    return Reader(name, good, _elsewhere(folder, file, _open), (DataError,), reshape_json)


def _shard_reader(dataset: PreparedDataset) -> Reader:
    (shard,) = (dataset.folder / one.path for one in dataset.manifest.shards if one.side == "train")
    side = (dataset.folder, dataset.manifest, "train")

    def read(_: Path) -> object:
        read_columns(*side, ["group_id", "patient_id", "intensity"])
        read_rows(*side, [0])
        return load_side(*side)

    return Reader("shard", {"train": shard.read_bytes()}, by_path(shard, read), (DataError,), reshape_parquet)


def _prepared(folder: Path, source: str, raw: Path) -> Path:
    options = PrepareOptions(image_size=16, val_fraction=0.3, test_fraction=0.3, workers=1)
    return prepare(source, raw, folder / f"{source}-data", options).folder


def _pictures(folder: Path) -> Path:
    """Two kinds of heads of noise, six of each."""
    for number, pixels in enumerate(head(12)[:, 2]):
        place = folder / "pictures" / ("glioma", "notumor")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.png").write_bytes(saved(Image.fromarray(pixels), "PNG"))
    return folder / "pictures"


def _volumes(folder: Path) -> Path:
    """Four patients as LGG has them, each of four slices with a square for its tumor."""
    for patient, slices in enumerate(head(12).reshape(4, 3, -1, 48, 48).swapaxes(1, 2)):
        place = folder / "volumes" / f"P{patient}"
        place.mkdir(parents=True)
        for number, pixels in enumerate(slices):
            mask = np.zeros(pixels.shape[1:], np.uint8)
            mask[20:25, 20 : 25 + patient] = 255
            (place / f"P{patient}_{number}.tif").write_bytes(saved(Image.fromarray(pixels.transpose(1, 2, 0)), "TIFF"))
            (place / f"P{patient}_{number}_mask.tif").write_bytes(saved(Image.fromarray(mask), "TIFF"))
    return folder / "volumes"


def _open(folder: Path) -> object:
    dataset = PreparedDataset.open(folder)
    return dataset.manifest.fingerprint


def _elsewhere(folder: Path, name: str, read: Callable[[Path], object]) -> Read:
    """Reads a folder of which one file is the spoiled one, and the good one again afterwards."""
    good = (folder / name).read_bytes()

    def read_content(content: bytes) -> object:
        (folder / name).write_bytes(content)
        try:
            return read(folder)
        finally:
            (folder / name).write_bytes(good)

    return read_content


def _model_readers(folder: Path) -> list[Reader]:
    place = folder / "bundle"
    small_bundle().save(place)
    metrics = by_path(folder / "metrics.json", lambda path: Evaluation.load(path.parent))
    hashes = by_path(folder / "hashes.json", lambda path: damage(path.parent))
    good = {"test": small_evaluation().model_dump_json().encode()}
    return [
        _bundle_reader("config.json", place, CONFIG, reshape_json),
        _bundle_reader("weights", place, WEIGHTS, reshape_safetensors),
        _bundle_reader("domain", place, DOMAIN, reshape_safetensors),
        *_registry_readers(folder, place),
        Reader("metrics.json", good, metrics, (DataError,), reshape_json),
        Reader("checkpoint hashes", {"one": b'{"state.json": "00"}'}, hashes, (), reshape_json),
    ]


def _bundle_reader(what: str, folder: Path, file: str, reshape: Reshape) -> Reader:
    good = {file: (folder / file).read_bytes()}
    read = _elsewhere(folder, file, lambda place: ModelBundle.load(place).build())
    return Reader(f"bundle {what}", good, read, (BundleError,), reshape)


def _registry_readers(folder: Path, bundle: Path) -> list[Reader]:
    store = Store(str(folder / "registry"))
    for _ in range(2):
        store.publish(bundle, "unet", ("latest", "ward"))
    change(store, "unet", to=2)
    name = Path(store.root) / "unet"

    def find(_: Path) -> object:
        read_rollout(store, "unet")
        serving(store, "unet", 1)
        store.aliases("unet")
        return store.load("unet@2"), store.load("unet")

    files = {"marker": f"2/{MARKER}", "alias": "aliases/latest", "rollout": ROLLOUT}
    raised = (BundleError, RegistryError)
    return [
        Reader(
            f"registry {what}", {file: (name / file).read_bytes()}, _elsewhere(name, file, find), raised, reshape_json
        )
        for what, file in files.items()
    ]


def small_bundle() -> ModelBundle:
    """A network of two filters that was never trained."""
    model = {"name": "classic_unet", "base_filters": 2, "depth": 1}
    recipe = Recipe.from_values({"task": "segmentation", "data": {"path": "data/toy"}, "model": model})
    signature = Signature(2, 1, 16)
    contents = Contents(task="segmentation", channels=("t1", "flair"), labels={"edema": 2}, citation="noise")
    preprocessing = {"image_size": 16, "crop_head": False, "intensity": "as_is"}
    score = Score(name="dice", value=0.5, low=0.4, high=0.6, split="test", units=3, unit="patients", seed=0)
    config = BundleConfig.model_validate(
        {
            **{"recipe": recipe.values(), "signature": signature, "contents": contents, "preprocessing": preprocessing},
            **{"normalization": {"mean": (1.0, 2.0), "std": (3.0, 4.0)}, "data_fingerprint": "0123456789ab"},
            **{"source_hash": "5ca9", "learned_from": ("a", "b"), "leak": None, "epoch": 3, "scores": (score,)},
            "versions": versions(),
        }
    )
    weights = build_network(recipe, contents, signature).state_dict()
    return ModelBundle(config, weights, {"mean": next(iter(weights.values())).flatten()[:4].clone()})


def small_evaluation() -> Evaluation:
    """Of no model."""
    return Evaluation(
        **{"task": "segmentation", "model": "classic_unet", "outputs": ("edema",), "side": "test", "split": "test"},
        **{"leak": None, "synthetic": True, "citation": "noise", "rows": 3, "units": 3, "unit": "patients"},
        **{"data_fingerprint": "a", "trained_on_fingerprint": "a", "seed": 0, "interval": "none"},
        **{"scores": small_bundle().config.scores, "undefined": (), "confusion": None, "cases_without_distance": None},
    )
