"""Why a classifier answers as it does: heat maps over the image that it was asked about."""
