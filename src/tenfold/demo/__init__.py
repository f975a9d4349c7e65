"""The embedded network and its data: the default that needs nothing but the package."""
