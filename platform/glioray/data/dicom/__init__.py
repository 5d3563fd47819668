"""DICOM series as volumes: found in any folder, ordered by position, turned to axial. Knows no source."""
