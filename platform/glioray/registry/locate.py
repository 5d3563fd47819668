"""A bundle by whatever names it: a run's folder or its address, its own folder, or a name of the registry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from glioray.errors import BundleError, RegistryError
from glioray.registry.bundle import CONFIG, ModelBundle
from glioray.registry.run_folder import RunFolder
from glioray.registry.store import Store
from glioray.remote import is_remote


@dataclass(frozen=True)
class Located:
    """A bundle, the folder that it lies in if there is one, and where its evaluation belongs."""

    bundle: ModelBundle
    path: Path | None
    evaluation_folder: Path
    run: RunFolder | None = None

    @property
    def folder(self) -> Path:
        """The bundle's folder.

        Raises:
            BundleError: it came from a registry, where nothing is changed.
        """
        if self.path is None:
            raise BundleError("a published model cannot be published again; name the run that it came from")
        return self.path

    def keep(self, bundle: ModelBundle) -> None:
        """Puts what an evaluation added to a bundle into its folder; one that is published stays as it is."""
        if self.path is not None:
            bundle.save(self.path)

    def send(self) -> None:
        """Takes scores and evaluation to the address that the bundle came from, if it came from one."""
        if self.run is not None:
            self.run.send()


def locate(reference: str, registry: str) -> Located:
    """Finds a bundle.

    Raises:
        BundleError: a folder of that name holds no bundle.
        RegistryError: no folder and no published model has that name.
    """
    run = RunFolder(reference) if is_remote(reference) else None
    if run is not None:
        run.fetch()
    place = run.path if run else Path(reference)
    if place.is_dir():
        for folder, evaluation in ((place / "bundle", place / "evaluation"), (place, place.parent / "evaluation")):
            if (folder / CONFIG).exists():
                return Located(ModelBundle.load(folder), folder, evaluation, run)
        raise BundleError(f"{reference}: holds no bundle; is its training complete? Run the same `glioray train` again")
    if "/" in reference:
        raise RegistryError(f"{reference}: no such folder")
    published, bundle = Store(registry).load(reference)
    return Located(bundle, None, Path("evaluations") / str(published))
