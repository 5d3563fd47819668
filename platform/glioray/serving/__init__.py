"""Published models behind an HTTP address."""
