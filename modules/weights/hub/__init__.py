"""Weights that come from a model hub, or from ESPnet's model zoo: names, listing, downloading."""
