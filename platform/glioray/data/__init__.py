"""Raw scans to shards that can be trusted: sources, duplicates, split, shards, manifest."""
