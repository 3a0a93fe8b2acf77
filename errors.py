"""Every error Relevo raises on purpose, in one tree.

    RelevoError
    ├── ConfigError             the configuration or the command line is wrong
    ├── WeightsError            a model's files
    │   ├── MissingWeights      … are not on this machine
    │   └── CorruptWeights      … do not have the recorded checksum
    ├── InputError              one request's audio or text cannot be used
    ├── ModelError              a model failed on an input that was fine
    ├── RelayError              the running relay
    │   ├── AddressInUse        … cannot listen where it was told to
    │   ├── StageFailed         … has a stage that cannot be kept alive
    │   ├── ProtocolError       … was sent something that is not a Relevo message
    │   └── RelayClosed         … was closed, or never became ready
    └── MeasurementError        a benchmark came to no figures

A message names what was wrong, the offending value and the remedy, in that order, and is fit to be
shown to a user as it stands. InputError and ModelError end one request; the others end the command.
"""

from __future__ import annotations


class RelevoError(Exception):
    """Base of every error that is shown to the user without a traceback."""


class ConfigError(RelevoError):
    """The configuration, an environment variable or an argument is wrong. Exit status 2."""


class WeightsError(RelevoError):
    """The files of a model could not be fetched, found or read."""


class MissingWeights(WeightsError):
    """A model is not on this machine; the message carries the command that brings it."""


class CorruptWeights(WeightsError):
    """A file does not have the sha256 that the catalogue records for it."""


class InputError(RelevoError):
    """The audio or text of one request cannot be used; every other request goes on."""


class ModelError(RelevoError):
    """A model failed while it computed; the request that asked for it ends as ``failed``."""


class RelayError(RelevoError):
    """The relay could not start, or did not stay up."""


class AddressInUse(RelayError):
    """Another process already listens on the address."""


class StageFailed(RelayError):
    """A stage's replicas died too often, or none of them could load its model."""


class ProtocolError(RelayError):
    """A frame is truncated, oversized, of another version, or not a Relevo message at all."""


class RelayClosed(RelayError):
    """The relay was stopped while the caller still waited for it."""


class MeasurementError(RelevoError):
    """A benchmark came to no figures, because what it measured failed."""
