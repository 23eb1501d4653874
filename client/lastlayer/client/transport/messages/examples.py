"""What became of examples, read from messages."""

from lastlayer.client.results.examples import ExampleOutcome
from lastlayer.client.transport.messages.reading import image_error
from lastlayer.v1 import classifier_pb2


def read_outcome(name: str, outcome: classifier_pb2.ExampleOutcome) -> ExampleOutcome:
    """Return what became of the example called `name`, whose content is no longer asked for."""
    kind = outcome.WhichOneof("outcome")
    trimmed = outcome.label_trimmed
    labels = tuple(outcome.labels)
    if kind == "error":
        return ExampleOutcome(name, outcome.label, "failed", trimmed, error=image_error(outcome.error))
    if kind == "conflict":
        return ExampleOutcome(name, outcome.label, "conflict", trimmed, tuple(outcome.conflict.labels))
    status = "added" if kind == "added" else "present"
    relabelled = outcome.present.relabelled
    return ExampleOutcome(name, outcome.label, status, trimmed, relabelled=relabelled, labels=labels)
