"""The documentation lists every metric of ours."""

from pathlib import Path

from prometheus_client import REGISTRY

from lastlayer.classifier import server as classifier_server
from lastlayer.featurizer.pipeline import monitoring as featurizer_monitoring
from lastlayer.rpc.credentials import tokens
from lastlayer.rpc.server import call_interceptor

DOCUMENTED = (Path(__file__).resolve().parents[4] / "docs/reference/metrics.md").read_text()
MODULES = (call_interceptor, tokens, featurizer_monitoring, classifier_server)
PREFIXES = ("lastlayer_", "grpc_server_", "featurizer_", "classifier_")


def test_every_metric_is_documented() -> None:
    names = {
        metric.name + "_total" * (metric.type == "counter")
        for metric in REGISTRY.collect()
        if metric.name.startswith(PREFIXES)
    }
    assert len(names) >= 3 * len(MODULES)
    assert {name for name in names if f"`{name}`" not in DOCUMENTED} == set()
