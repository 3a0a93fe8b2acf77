"""Weights from a model hub or from ESPnet's model zoo: listing and downloading, in processes of their own."""
