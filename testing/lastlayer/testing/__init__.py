"""For tests of programs that use Lastlayer: both services in this process, with a tiny network.

>>> import lastlayer.testing
>>> with lastlayer.testing.services() as pair, pair.client() as client:
...     added = client.add_examples("photos", dataset="pets")
...     version = client.train("pets")
...     [prediction] = client.predict(["new.jpg"], model="pets")

Both services are the real ones, behind real sockets. The network is a stand-in: it is tiny, its weights are random, and
NumPy computes it, so that TensorFlow is not needed. It tells colours and coarse patterns apart, and nothing else: tests
can rely on how the services behave, and not on how good predictions are.

`pip install 'lastlayer[testing]'` brings what this needs. pytest finds the fixtures `lastlayer_services` and
`lastlayer_client` by itself.
"""

from lastlayer.testing.services import Services, services
from lastlayer.testing.tiny_backbone import write_tiny_backbone

__all__ = ["Services", "services", "write_tiny_backbone"]
