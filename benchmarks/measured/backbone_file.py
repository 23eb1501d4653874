"""Writes the backbone as files that other servers load: `python -m benchmarks.measured.backbone_file FOLDER`.

Those are the frozen graph, `graph.pb`, as it was published or as Keras's network becomes one, and `backbone.json` with
what the backbone's declaration says: input, size, mean, scale and the tensors of the taps.
"""

import json
import os
import sys
from pathlib import Path

from lastlayer.featurizer.config import FeaturizerSettings
from lastlayer.featurizer.weights.store import WeightStore
from lastlayer.rpc.settings import load_settings


def main() -> None:
    """Write the files."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    folder = Path(sys.argv[1])
    settings = load_settings(FeaturizerSettings)
    resolved = WeightStore(settings.weights_folder, settings.mirror).resolve(settings.backbone, lambda *_: None)
    spec = resolved.spec
    if spec.format == "frozen_graph":
        graph, image, taps = resolved.weights.read_bytes(), spec.input, [tap.tensor for tap in spec.taps]
    else:
        from lastlayer.featurizer.network.keras_graph import freeze

        frozen = freeze(spec, resolved.weights, resolved.group)
        graph, image = frozen.graph_def.SerializeToString(), frozen.input
        taps = [frozen.tensors[tap.name] for tap in spec.taps]
    (folder / "graph.pb").write_bytes(graph)
    declared = {"graph": "graph.pb", "input": image, "taps": taps, **spec.preprocessing.model_dump()}
    (folder / "backbone.json").write_text(json.dumps(declared))


if __name__ == "__main__":
    main()
