"""What a reader must know of a folder of images before a score on it: copies, contradictions, shortcuts."""
