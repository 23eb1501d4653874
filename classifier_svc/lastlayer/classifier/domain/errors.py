"""What the classifier alone can fail with. `lastlayer.rpc.status` has the gRPC code of each reason."""

from lastlayer.rpc.errors import InvalidFieldError, LastlayerError


class DatasetNotTrainableError(LastlayerError):
    """The dataset cannot be trained on."""

    reason = "DATASET_NOT_TRAINABLE"


def one_label_error(dataset: str) -> InvalidFieldError:
    """Return what is said where several labels are to be added to a dataset with one label an image."""
    return InvalidFieldError(
        "multi_label",
        f"The dataset `{dataset}` has one label for each image; images with several labels need a new dataset: give "
        "another name.",
    )


class RecipeNotSupportedError(LastlayerError):
    """The backbone has no tap of the kind that the recipe needs."""

    reason = "RECIPE_NOT_SUPPORTED"


class ViewNotOfferedError(LastlayerError):
    """The featurizer computes no features of a view."""

    reason = "VIEW_NOT_OFFERED"

    def __init__(self, view: str) -> None:
        super().__init__(
            f"The featurizer is of a release that does not compute features of the view `{view}`; upgrade it.",
            metadata={"view": view},
        )


class MapNotOfferedError(LastlayerError):
    """The library that lays a map out is not installed."""

    reason = "MAP_NOT_OFFERED"

    def __init__(self, method: str) -> None:
        super().__init__(
            f"The classifier cannot lay a map out by `{method}`: openTSNE is not installed where it runs. Install "
            "`lastlayer[map]` there, or ask for the method `pca`.",
            metadata={"method": method},
        )


class VersionInUseError(LastlayerError):
    """The version is the default of a model that has others."""

    reason = "VERSION_IN_USE"


class StoreFullError(LastlayerError):
    """The store's disk is full."""

    reason = "STORE_FULL"

    def __init__(self, path: str) -> None:
        super().__init__(
            f"`{path}` cannot be written: its disk is full. Make room there, or delete a model or some hundred "
            "examples; to delete many at once takes room, too.",
            metadata={"path": path},
        )


class StoreReadOnlyError(LastlayerError):
    """The store cannot be written to."""

    reason = "STORE_READ_ONLY"

    def __init__(self, path: str) -> None:
        super().__init__(f"`{path}` cannot be written: it is read-only.", metadata={"path": path})


class StoreCorruptError(LastlayerError):
    """Stored data fails its checksum or cannot be read."""

    reason = "STORE_CORRUPT"


class FeaturizerUnavailableError(LastlayerError):
    """The featurizer cannot be reached or is not ready."""

    reason = "FEATURIZER_UNAVAILABLE"

    def __init__(self, address: str) -> None:
        super().__init__(f"The featurizer at {address} is not available.", metadata={"address": address})


class NotExplainableError(LastlayerError):
    """The version's features are no spatial means."""

    reason = "NOT_EXPLAINABLE"


class RequestIdReusedError(LastlayerError):
    """A request id was used before with another request."""

    reason = "REQUEST_ID_REUSED"
