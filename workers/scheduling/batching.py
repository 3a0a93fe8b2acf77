"""Chooses the jobs of the next batch of a stage."""

from __future__ import annotations

from workers.scheduling.open_requests import OpenRequests
from workers.scheduling.request import Job
from workers.scheduling.stage import Stage


def next_batch(stage: Stage, requests: OpenRequests, now: float) -> list[Job]:
    """Takes the next batch from a stage's queue, and ends the requests whose deadline has passed there.

    A job that a replica died with makes a batch of its own.
    """
    if stage.fills_batch(now):
        return []
    plan, queue = stage.plan, stage.queue
    batch: list[Job] = []
    cost = 0.0
    while len(batch) < plan.max_batch and (job := queue.head()) is not None:
        if job.request.deadline_at <= now:
            requests.end(job.request, "expired", f"its deadline passed while it waited for {plan.name}", now)
            continue
        cost += job.meta.cost
        if batch and (cost > plan.max_batch_cost or job.suspect or batch[0].suspect):
            break
        batch.append(queue.pop_head())
    return batch
