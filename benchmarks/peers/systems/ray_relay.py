"""The modules as three Ray Serve (https://docs.ray.io) deployments, asked by handle, without an HTTP proxy.

Each replica gets the thread budget of our own plan, as a careful user would set it, and one request at a time, so that
a request goes to a replica that is idle.
"""

from __future__ import annotations

import logging
import tempfile
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayTaskError

from benchmarks.peers.systems.system import CallingSystem, RelayTask, StageWorker
from modules.contract.payloads import Payload
from workers.processes.budget import THREAD_VARIABLES

TIMEOUT_S = 600.0


class RayStage:
    """A stage's module in a Ray actor."""

    def __init__(self, task: RelayTask, depth: int) -> None:
        self._stage = StageWorker(task, depth)

    def __call__(self, payloads: list[Payload]) -> list[Payload]:
        """Returns the stage's outputs for all outputs of the stage before."""
        return self._stage(payloads)


class RayChain:
    """Hands each request from stage to stage."""

    def __init__(self, *stages: Any) -> None:
        self._stages = stages

    async def __call__(self, payloads: list[Payload]) -> list[Payload]:
        """Returns the last stage's outputs."""
        answered: Any = payloads
        for stage in self._stages:
            answered = stage.remote(answered)
        found: list[Payload] = await answered
        return found


class RayRelay(CallingSystem):
    """A Ray cluster of this machine alone, in a folder of its own."""

    def __init__(self, task: RelayTask) -> None:
        super().__init__()
        plan = task.plan()
        self._folder = tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
        ray.init(
            num_cpus=plan.cores,
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=False,
            _node_ip_address="127.0.0.1",
            _temp_dir=self._folder.name,
        )
        serve.start(proxy_location="Disabled")
        stages = [
            serve.deployment(RayStage)
            .options(
                name=stage.name,
                num_replicas=stage.replicas,
                max_ongoing_requests=1,
                ray_actor_options={
                    "num_cpus": 0.01,
                    "runtime_env": {"env_vars": dict.fromkeys(THREAD_VARIABLES, str(stage.threads))},
                },
            )
            .bind(task, depth)
            for depth, stage in enumerate(plan.stages)
        ]
        chain = serve.deployment(RayChain).options(max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0.01})
        self._handle = serve.run(chain.bind(*stages), route_prefix=None)

    def call(self, payload: Payload) -> list[Payload]:
        """Makes one call by handle and waits for its answer.

        Raises:
            RuntimeError: a deployment failed, or its actor died.
        """
        try:
            found: list[Payload] = self._handle.remote([payload]).result(timeout_s=TIMEOUT_S)
        except RayTaskError as error:  # its text is the traceback of the chain; its cause is the error of the stage
            raise RuntimeError(f"{type(error.cause).__name__}: {error.cause}") from error
        return found

    def close(self) -> None:
        """Ends its processes."""
        serve.shutdown()
        ray.shutdown()
        self._folder.cleanup()
