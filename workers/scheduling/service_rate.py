"""How fast a stage works, measured job by job."""

from __future__ import annotations

SMOOTHING = 0.1  # weight of the newest job


class Pace:
    """Smoothed cost, service time and yield of a stage's jobs, whose ratios are its rates.

    Cost is what the stage takes (seconds of audio, characters of text), so that a long job weighs more than a short
    one. Ratios of means, not means of ratios: a job of next to no cost has no say in them.
    """

    def __init__(self) -> None:
        self._cost = self._service_s = self._cost_out = 0.0
        self._weight = 1.0

    def add(self, cost: float, service_s: float, cost_out: float) -> None:
        """Takes in a finished job: its cost, its share of the service time, and the cost of what it yielded."""
        self._cost += (cost - self._cost) * self._weight
        self._service_s += (service_s - self._service_s) * self._weight
        self._cost_out += (cost_out - self._cost_out) * self._weight
        self._weight = SMOOTHING

    @property
    def seconds_per_cost(self) -> float:
        """Service time that a unit of cost takes one replica; 0 while nothing has been measured."""
        return self._service_s / self._cost if self._cost else 0.0

    @property
    def cost_out_per_cost(self) -> float:
        """Cost that reaches the next stage, in that stage's unit, for each unit of cost that comes in."""
        return self._cost_out / self._cost if self._cost else 0.0
