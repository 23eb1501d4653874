"""The documentation lists every metric of ours."""

from pathlib import Path

from prometheus_client import REGISTRY

import classifier_svc.monitoring
import featurizer.monitoring
import rpc.calls

DOCUMENTED = (Path(__file__).resolve().parents[3] / "docs" / "metrics.md").read_text()
MODULES = (rpc.calls, featurizer.monitoring, classifier_svc.monitoring)
PREFIXES = ("grpc_server_", "featurizer_", "classifier_")


def test_every_metric_is_documented() -> None:
    names = {
        metric.name + "_total" * (metric.type == "counter")
        for metric in REGISTRY.collect()
        if metric.name.startswith(PREFIXES)
    }
    assert len(names) >= 4 * len(MODULES)
    assert {name for name in names if f"`{name}`" not in DOCUMENTED} == set()
