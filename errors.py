"""Every error that Relevo raises on purpose.

* RelevoError
  * ConfigError: the configuration, an environment variable or an argument is wrong
  * WeightsError: the files of a model cannot be brought or used
    · MissingWeights: the model, or a file of it, is not on this machine
    · CorruptWeights: a file is damaged, or is not what it should be
  * InputError: the audio or text of one request cannot be used
  * ModelError: a model failed on an input that can be used
  * RelayError: the relay cannot start, or did not stay up
    · AddressInUse: another process listens on the relay's address
    · StageFailed: no replica of a stage can be kept alive
    · ProtocolError: a peer sent something that is not a Relevo message
    · RelayClosed: the relay was stopped, or does not answer
  * MeasurementError: a benchmark came to no figures

A message says what is wrong, with which value, and what to do about it, in that order. It can be shown to a user as it
is. InputError and ModelError end one request; the other errors end the command.
"""

from __future__ import annotations


class RelevoError(Exception):
    """Base of every error that is shown to the user without a traceback."""


class ConfigError(RelevoError):
    """The configuration, an environment variable or an argument is wrong. Exit status 2."""


class WeightsError(RelevoError):
    """The files of a model cannot be brought to this machine, found or read."""


class MissingWeights(WeightsError):
    """A model, or a file of it, is not on this machine. The message names the command that brings it."""


class CorruptWeights(WeightsError):
    """A file of a model cannot be read, or has another size or sha256 than recorded."""


class InputError(RelevoError):
    """The audio or text of one request cannot be used. Every other request goes on."""


class ModelError(RelevoError):
    """A model failed while it computed. The request that it computed ends as ``failed``."""


class RelayError(RelevoError):
    """The relay cannot start, or did not stay up."""


class AddressInUse(RelayError):
    """Another process listens on the address."""


class StageFailed(RelayError):
    """The replicas of a stage died too often, or none of them could load its model."""


class ProtocolError(RelayError):
    """A message is truncated, too large, of another version, or not a Relevo message at all."""


class RelayClosed(RelayError):
    """The relay was stopped while the caller waited for it, or no relay answers at the address."""


class MeasurementError(RelevoError):
    """A benchmark came to no figures, because what it measured failed."""
