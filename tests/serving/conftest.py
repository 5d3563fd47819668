"""Tiny models with random weights, and pictures and volumes that they can be asked about."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
import torch
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from tests.serving.sent import MAX_BODY_BYTES

from glioray.data.manifest import Normalization
from glioray.data.preprocessing import Preprocessing
from glioray.data.records import Contents, Signature
from glioray.models import _contract as models
from glioray.recipe import Recipe
from glioray.registry.bundle import BundleConfig, ModelBundle
from glioray.registry.store import Published
from glioray.serving.answering import Reply, Wish, answer_all
from glioray.serving.api import create_api
from glioray.serving.predictor import Predictor
from glioray.serving.problems import Problem, ProblemError
from glioray.serving.schemas import ModelInfo
from glioray.serving.upload import Sent, Upload
from glioray.serving.volume_settings import VolumeArgs
from glioray.serving.volumes import Step, segment_volume

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
LABELS = {"necrotic": 1, "edema": 2, "enhancing": 4}


@pytest.fixture(scope="session")
def classifier_bundle() -> ModelBundle:
    contents = Contents(task="classification", channels=("grey",), classes=CLASSES, citation="a test")
    return _bundle(
        contents, {"name": "custom_cnn"}, Preprocessing(image_size=80, crop_head=True, intensity="percentile")
    )


@pytest.fixture(scope="session")
def segmenter_bundle() -> ModelBundle:
    contents = Contents(
        task="segmentation",
        channels=("t1", "flair"),
        labels=LABELS,
        regions={"WT": tuple(LABELS)},
        synthetic=True,
        citation="a test",
    )
    model = {"name": "classic_unet", "base_filters": 2, "depth": 2}
    return _bundle(contents, model, Preprocessing(image_size=32, crop_head=False, intensity="percentile"))


@pytest.fixture(scope="session")
def classifier(classifier_bundle: ModelBundle) -> Predictor:
    return Predictor.load(classifier_bundle)


@pytest.fixture(scope="session")
def segmenter(segmenter_bundle: ModelBundle) -> Predictor:
    return Predictor.load(segmenter_bundle)


@pytest.fixture(scope="session")
def slice_of() -> Callable[..., NDArray[np.uint8]]:
    """(channels, height, width) of a bright disk of noise on black, another one for every seed."""

    def make(channels: int, height: int = 60, width: int = 48, seed: int = 0) -> NDArray[np.uint8]:
        rows, columns = np.mgrid[:height, :width]
        disk = np.hypot(rows - height / 2, columns - width / 2) < min(height, width) / 2.5
        noise = np.random.default_rng(seed).integers(60, 256, (channels, height, width))
        return (noise * disk).astype(np.uint8)

    return make


@pytest.fixture(scope="session")
def file_of() -> Callable[[NDArray[Any]], bytes]:
    """A PNG of one channel, a .npy of several."""

    def write(pixels: NDArray[Any]) -> bytes:
        stream = io.BytesIO()
        if pixels.shape[0] == 1:
            Image.fromarray(pixels[0]).save(stream, "PNG")
        else:
            np.save(stream, pixels)
        return stream.getvalue()

    return write


@pytest.fixture(scope="session")
def volume_bundle() -> ModelBundle:
    contents = Contents(
        task="segmentation",
        channels=("t1", "t1ce", "t2", "flair"),
        labels=LABELS,
        regions={"WT": tuple(LABELS), "TC": ("necrotic", "enhancing")},
        citation="a test",
    )
    model = {"name": "classic_unet", "base_filters": 2, "depth": 2}
    return _bundle(contents, model, Preprocessing(image_size=32, crop_head=False, intensity="zscore"))


@pytest.fixture(scope="session")
def volume_segmenter(volume_bundle: ModelBundle) -> Predictor:
    return Predictor.load(volume_bundle)


class LocalModel:
    """A model of this process, as the API sees it; `hold` makes a volume wait after every batch."""

    card: str = "# a card"

    def __init__(
        self, name: str, predictor: Predictor, version: int = 1, aliases: tuple[str, ...] = ("latest",)
    ) -> None:
        self.info = ModelInfo.of(Published(name, version, aliases), predictor.config)
        self.predictor = predictor
        self.state = "ready"
        self.hold = False
        self.batches = 0

    async def answer(self, upload: Upload, wish: Wish) -> Reply | Problem:
        if self.state == "busy":
            raise ProblemError(503, "The model is busy", "64 requests wait for it", 7)
        if self.state == "broken":
            raise ZeroDivisionError("secret")
        return answer_all(self.predictor, [upload], [wish])[0]

    async def segment_volume(self, sent: Sent) -> AsyncGenerator[Step, None]:
        async for step in segment_volume(self.predictor, sent, VolumeArgs().limits, batch_size=2):
            self.batches += 1
            yield step
            while self.hold:
                await asyncio.sleep(0.005)

    async def is_ready(self) -> bool:
        return self.state == "ready"


@pytest.fixture(scope="session")
def local_model() -> type[LocalModel]:
    return LocalModel


@pytest.fixture
def served(classifier: Predictor, segmenter: Predictor) -> list[LocalModel]:
    return [LocalModel("kinds", classifier, 3), LocalModel("regions", segmenter, aliases=("latest", "best"))]


@pytest.fixture
def client(served: list[LocalModel]) -> TestClient:
    return TestClient(create_api(served, MAX_BODY_BYTES), raise_server_exceptions=False)


@pytest.fixture(scope="session")
def head_of() -> Callable[..., dict[str, NDArray[np.int16]]]:
    """Four sequences (X,Y,Z) in the axes of a file: an ellipsoid of noise, on a scale of its own in each sequence."""

    def make(shape: tuple[int, int, int] = (24, 28, 6), seed: int = 0) -> dict[str, NDArray[np.int16]]:
        grid = np.meshgrid(*(np.linspace(-1, 1, length) for length in shape), indexing="ij")
        inside = sum(axis**2 for axis in grid) < 1.2
        noise = np.random.default_rng(seed)
        return {
            name: (noise.integers(200, 1000, shape) * inside * factor).astype(np.int16)
            for factor, name in enumerate(("t1", "t1ce", "t2", "flair"), 1)
        }

    return make


@pytest.fixture(scope="session")
def nifti_of() -> Callable[..., bytes]:
    """The bytes of a .nii, by default with voxels of 1 x 1 x 2 mm whose columns run to the left, as BraTS has them."""

    def write(voxels: NDArray[Any], affine: NDArray[np.float64] | None = None) -> bytes:
        affine = np.diag([-1.0, -1.0, 2.0, 1.0]) if affine is None else affine
        content: bytes = nibabel.Nifti1Image(voxels, affine).to_bytes()
        return content

    return write


@pytest.fixture(scope="session")
def zip_of() -> Callable[..., bytes]:
    """A zip of names and bytes."""

    def write(members: Mapping[str, bytes]) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return stream.getvalue()

    return write


@pytest.fixture(scope="session")
def series_of() -> Callable[..., dict[str, bytes]]:
    """The DICOM files of a series (N,H,W), axial, from the lowest slice up, by names that are in no such order."""

    def write(pixels: NDArray[np.uint16], description: str, step_mm: float = 5.0) -> dict[str, bytes]:
        files = {}
        for number, slice_ in enumerate(pixels):
            dataset = Dataset()
            dataset.file_meta = FileMetaDataset()
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = MRImageStorage
            dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            dataset.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
            dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[description])
            dataset.PatientID, dataset.Modality, dataset.SeriesDescription = "P1", "MR", description
            dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
            dataset.Rows, dataset.Columns = slice_.shape
            dataset.BitsAllocated = dataset.BitsStored = 16
            dataset.HighBit, dataset.PixelRepresentation = 15, 0
            dataset.PixelData = slice_.tobytes()
            dataset["PixelData"].VR = "OW"
            dataset.ImagePositionPatient = [-30.0, -20.0, 10.0 + number * step_mm]
            dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
            dataset.PixelSpacing, dataset.SliceThickness = [0.9, 0.8], "1.0"
            stream = io.BytesIO()
            pydicom.dcmwrite(stream, dataset, enforce_file_format=True)
            files[f"{description}/IM{(number * 7 + 3) % 11:02d}"] = stream.getvalue()
        return files

    return write


def _bundle(contents: Contents, model: dict[str, Any], preprocessing: Preprocessing) -> ModelBundle:
    torch.manual_seed(0)
    recipe = Recipe.from_values({"task": contents.task, "data": {"path": "x"}, "model": model, "loss": {}})
    num_channels = len(contents.channels)
    signature = Signature(num_channels, len(contents.outputs), preprocessing.image_size)
    network = models.build(recipe.model, signature)
    config = BundleConfig(
        recipe=recipe.values(),
        signature=signature,
        contents=contents,
        preprocessing=preprocessing,
        normalization=Normalization(mean=(60.0,) * num_channels, std=(50.0,) * num_channels),
        data_fingerprint="0123456789ab",
        source_hash="5ca9",
        leak=None,
        epoch=1,
        versions={},
    )
    weights = dict(network.state_dict())
    if "head.bias" in weights:  # a U-Net of random weights would find nothing; this one finds all its labels
        weights["head.weight"] = weights["head.weight"] * 40
        weights["head.bias"] = torch.tensor([0.3, 0.2, 0.1])
    return ModelBundle(config, weights)
