"""Which tests one process of a run in parallel runs together."""

from typing import Final

from xdist.scheduler import LoadScopeScheduling

_TOGETHER: Final = (
    ("tests/attacks/test_data_only.py", "TensorFlow"),
    ("tests/e2e/pages/", "TensorFlow"),
    ("tests/integration/classifier/test_replicas.py", "TensorFlow"),
    ("tests/integration/featurizer/network/", "TensorFlow"),
    ("tests/integration/featurizer/test_contract.py", "TensorFlow"),
    ("tests/integration/featurizer/test_embed.py", "TensorFlow"),
    ("tests/integration/featurizer/test_open_inference.py", "TensorFlow"),
    ("tests/integration/featurizer/test_service.py", "TensorFlow"),
    ("tests/integration/testing/", "TensorFlow"),
    ("tests/unit/featurizer/network/conversion/", "TensorFlow"),
    ("tests/e2e/bad_input/", "the shared featurizer"),
    ("tests/e2e/studio/", "GoogLeNet"),
    ("tests/e2e/test_explanations.py", "GoogLeNet"),
    ("tests/e2e/test_real_photos.py", "GoogLeNet"),
    ("tests/e2e/test_faults.py", "the shared featurizer"),
    ("tests/e2e/test_processes.py", "the shared featurizer"),
    ("tests/e2e/test_report.py", "the shared featurizer"),
)
"""Files that share what takes seconds to start: an import of TensorFlow, or services."""


class Together(LoadScopeScheduling):  # type: ignore[misc] # it has no types
    """Gives a process whole files, and files that share something to the same process."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((group for start, group in _TOGETHER if file.startswith(start)), file)
