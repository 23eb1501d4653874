"""The threads of the classifier, by the kind of their work."""

import asyncio
from dataclasses import dataclass, fields

from lastlayer.rpc.system.workers import Workers


@dataclass(frozen=True)
class Pools:
    """The workers of a service, by the kind of their work."""

    predictions: Workers
    """Look versions up and compute heads: quick, and waited for by somebody."""
    reads: Workers
    """Read the store for all else."""
    writes: Workers
    """Write to the store; all may wait for as long as another process holds its lock."""
    evaluations: Workers
    """Search for near duplicates and compute metrics: seconds each."""
    trainings: Workers
    """Train: minutes."""

    @classmethod
    def open(cls) -> "Pools":
        """Return workers with numbers of threads that suit a service of any size."""
        return cls(
            predictions=Workers("predictions", 4),
            reads=Workers("reads", 4),
            writes=Workers("writes", 4),
            evaluations=Workers("evaluations", 2),
            trainings=Workers("trainings", 1),
        )

    async def close(self) -> None:
        """Close all of them."""
        await asyncio.gather(*(getattr(self, field.name).close() for field in fields(self)))
