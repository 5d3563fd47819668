"""Looking inside a model: what it saw, as files and as one page to look at."""
