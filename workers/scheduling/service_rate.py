"""How fast a stage works, measured job by job."""

from __future__ import annotations

SMOOTHING = 0.1  # weight of the newest job


class ServiceRate:
    """Exponentially smoothed cost, service time and yield of a stage's jobs; their ratios are its rates.

    Cost is in the stage's unit (seconds of audio, characters of text), so that a long job weighs more than a short
    one. The rates are ratios of means and not means of ratios, so that jobs of almost no cost do not distort them.
    """

    def __init__(self) -> None:
        self._cost = self._service_s = self._cost_out = 0.0
        self._weight = 1.0  # the first job sets the means

    def add(self, cost: float, service_s: float, cost_out: float) -> None:
        """Adds a finished job: its cost, its share of the service time, and the cost of its outputs."""
        self._cost += (cost - self._cost) * self._weight
        self._service_s += (service_s - self._service_s) * self._weight
        self._cost_out += (cost_out - self._cost_out) * self._weight
        self._weight = SMOOTHING

    @property
    def seconds_per_cost(self) -> float:
        """Service time of one unit of cost at one replica, in seconds; 0 before the first job."""
        return self._service_s / self._cost if self._cost else 0.0

    @property
    def cost_out_per_cost(self) -> float:
        """Cost that one unit of cost becomes at the next stage, in that stage's unit; 0 before the first job."""
        return self._cost_out / self._cost if self._cost else 0.0
