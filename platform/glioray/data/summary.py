"""What a person is told of a prepared folder, and a program too."""

from __future__ import annotations

from typing import Any

from glioray.data.prepared import PreparedDataset


def facts_of(data: PreparedDataset, elapsed_s: float) -> dict[str, Any]:
    """Names and values in the order to read them; copies only where they were looked for."""
    manifest = data.manifest
    images = sum(counts.rows for counts in manifest.counts.values())
    facts: dict[str, Any] = {"folder": str(data.folder), "images": images}
    shown = {"rows", "groups", "patients"}
    facts |= {part: manifest.counts[part].model_dump(include=shown) for part in manifest.parts}
    if manifest.duplicates:
        facts["images_with_a_copy"] = manifest.duplicates.images_with_a_copy
        facts["groups_with_two_labels"] = len(manifest.duplicates.conflicts)
        facts["test_images_with_a_copy_in_training"] = manifest.leak.with_copy_in_training if manifest.leak else 0
    unit = "group" if manifest.duplicates else "patient"
    facts["split"] = str(manifest.leak or f"by {unit}, seed {manifest.settings.seed}")
    facts["refused"] = len(manifest.refused)
    facts["fingerprint"] = manifest.fingerprint
    facts |= {"elapsed_s": round(elapsed_s, 1), "images_per_s": round(images / elapsed_s, 1)}
    facts["page"] = str(data.folder / "dataset.html")
    return facts
