"""The Python client of the classifier: every method of the service, with deadlines, retries and plain results.

Methods import the results that they return, so that a command pays for its own alone.
"""

from lastlayer.client.api.adding import AddingMethods
from lastlayer.client.api.models import ModelMethods
from lastlayer.client.api.predictions import PredictionMethods
from lastlayer.client.api.server import ServerMethods
from lastlayer.client.api.similarity import SimilarityMethods
from lastlayer.client.api.training import TrainingMethods


# `ServerMethods` needs those of datasets, and these those of examples: both come with it.
class Client(AddingMethods, TrainingMethods, PredictionMethods, SimilarityMethods, ModelMethods, ServerMethods):
    """A connection to a classifier. An instance may be shared by threads.

    A call that may be repeated without harm is repeated while the server is unavailable or says that it is busy, within
    the call's time. Every call can raise a `ServerError`: `ServerUnavailableError` where the server cannot be reached,
    `BusyError`, `DeadlineError` or `AccessError`. Every call with arguments can raise `InvalidInputError`, which names
    the argument that the server does not accept. Every call that writes can raise `FailedPreconditionError`, where the
    server's store is read-only. Each method says what else it raises.

    >>> with Client("localhost:50052") as client:
    ...     [prediction] = client.predict(["new.jpg"])
    >>> prediction.label
    'cat'
    """
