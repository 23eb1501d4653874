"""The examples of datasets, and the images of pools."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from lastlayer.client.api.connection import PAGE_SIZE, Connection
from lastlayer.client.errors import InvalidInputError
from lastlayer.client.transport.messages.names import REVIEW_KINDS
from lastlayer.client.transport.messages.reading import read
from lastlayer.v1 import classifier_pb2

if TYPE_CHECKING:
    from lastlayer.client.results.curation import NextExamples, Review
    from lastlayer.client.results.datasets import Dataset
    from lastlayer.client.results.examples import ExamplePage, StoredExample

ExampleKey: TypeAlias = str | bytes
"""An example's id, or the first 4 to 32 bytes of its image's sha256."""


class ExampleMethods(Connection):
    """The examples of datasets, and the images of pools."""

    def list_examples(
        self,
        dataset: str,
        *,
        label: str = "",
        conflicts_only: bool = False,
        stale_only: bool = False,
        thumbnails: bool = False,
        pool: bool = False,
    ) -> "Iterator[StoredExample]":
        """Yield the examples of a dataset in order of arrival, or with `pool` the images of its pool.

        All of them, or only those with a `label`, with several labels (`conflicts_only`) or whose image must be added
        again (`stale_only`). Raises `InvalidInputError` where these do not go together, `NotFoundError` where there is
        no such dataset, and `ServerError`.

        >>> [example.id for example in client.list_examples("pets", label="dog")]
        ['dog/dog0.jpg', 'dog/dog1.jpg']
        """
        token = ""
        while True:
            page = self.list_example_page(
                dataset,
                label=label,
                conflicts_only=conflicts_only,
                stale_only=stale_only,
                thumbnails=thumbnails,
                pool=pool,
                page_size=PAGE_SIZE,
                page_token=token,
            )
            yield from page.examples
            if not (token := page.next_page_token):
                return

    def list_example_page(
        self,
        dataset: str,
        *,
        label: str = "",
        conflicts_only: bool = False,
        stale_only: bool = False,
        thumbnails: bool = False,
        pool: bool = False,
        page_size: int = 100,
        page_token: str = "",
    ) -> "ExamplePage":
        """Return some of what `list_examples` yields: at most `page_size`, from 1 to 1000, and where to go on.

        `page_token` is the `next_page_token` of the page before, empty for the first page. Raises `InvalidInputError`
        for a size or token that is none, `NotFoundError` where there is no such dataset, and `ServerError`.

        >>> page = client.list_example_page("pets", page_size=2)
        >>> [example.id for example in page.examples], bool(page.next_page_token)
        (['cat/cat0.jpg', 'cat/cat1.jpg'], True)
        """
        from lastlayer.client.results.examples import ExamplePage

        request = classifier_pb2.ListExamplesRequest(
            dataset=dataset,
            page_size=page_size,
            page_token=page_token,
            label=label,
            conflicts_only=conflicts_only,
            stale_only=stale_only,
            thumbnails=thumbnails,
            pool=pool,
        )
        return read(ExamplePage, self._call(self._stub.ListExamples, request))

    def get_examples(
        self, dataset: str, examples: Iterable[ExampleKey], *, thumbnails: bool = False
    ) -> "tuple[StoredExample, ...]":
        """Return those of at most 1000 images that a dataset or its pool has, in order of arrival, examples first.

        They are named as for `relabel_examples`. Raises `InvalidInputError` where a name is of several, `NotFoundError`
        where there is no such dataset, and `ServerError`.

        >>> [example.labels for example in client.get_examples("pets", ["dog/dog0.jpg", "none.jpg"])]
        [('dog',)]
        """
        from lastlayer.client.results.examples import StoredExample

        selected = [selector(example) for example in examples]
        if not selected:
            return ()
        request = classifier_pb2.ListExamplesRequest(
            dataset=dataset, page_size=PAGE_SIZE, selected=selected, thumbnails=thumbnails
        )
        pages = self._pages(self._stub.ListExamples, request)
        return tuple(read(StoredExample, entry) for page in pages for entry in page.examples)

    def relabel_examples(
        self, dataset: str, examples: Iterable[ExampleKey], label: str | Sequence[str]
    ) -> "tuple[int, Dataset]":
        """Give examples a label in place of all that they have; return how many changed, and the dataset.

        Images of the dataset's pool become examples by it. In a multi-label dataset several labels may be given, or
        none. The label holds: adding the images again does not bring another one.

        An example is named by its id, or by the first 4 to 32 bytes of its image's sha256. All are changed or none.
        Raises `NotFoundError` where there is no such dataset, or an example is not in it, and `ServerError`.

        >>> changed, dataset = client.relabel_examples("pets", ["cat/cat0.jpg"], "dog")
        >>> changed
        1
        """
        from lastlayer.client.results.datasets import Dataset

        given = {"label": label} if isinstance(label, str) else {"labels": list(label)}
        request = classifier_pb2.RelabelExamplesRequest(dataset=dataset, examples=map(selector, examples), **given)
        answer = self._call(self._stub.RelabelExamples, request)
        return answer.changed_count, read(Dataset, answer.dataset)

    def unlabel_examples(self, dataset: str, examples: Iterable[ExampleKey]) -> "tuple[int, Dataset]":
        """Take the labels of examples away and put their images into the dataset's pool; return how many changed, and
        the dataset.

        Examples are named as for `relabel_examples`, and all are changed or none. Raises `NotFoundError` where there is
        no such dataset, or an example is not in it, and `ServerError`.

        >>> changed, dataset = client.unlabel_examples("pets", ["cat/cat0.jpg"])
        >>> changed
        1
        """
        from lastlayer.client.results.datasets import Dataset

        request = classifier_pb2.RelabelExamplesRequest(dataset=dataset, examples=map(selector, examples), to_pool=True)
        answer = self._call(self._stub.RelabelExamples, request)
        return answer.changed_count, read(Dataset, answer.dataset)

    def next_examples(self, dataset: str, *, count: int = 20, thumbnails: bool = False) -> "NextExamples":
        """Return which images of a dataset's pool to label next, at most `count`, from 1 to 200; each with a guess.

        While labels are few they are typical of many others, later those whose class is uncertain; they are never near
        duplicates of each other, or of an example. The same call gives the same images until a label or an image comes.
        Raises `InvalidInputError` for another count, `NotFoundError` where there is no such dataset, and `ServerError`.

        >>> pooled = client.add_to_pool(["new.jpg"], dataset="pets")
        >>> found = client.next_examples("pets", count=1)
        >>> [(entry.example.id, entry.scores[0].label) for entry in found.examples]
        [('new.jpg', 'cat')]
        """
        from lastlayer.client.results.curation import NextExamples

        if count == 0:
            raise InvalidInputError("There are no 0 images to label next; give a count from 1 to 200.")
        request = classifier_pb2.NextExamplesRequest(dataset=dataset, count=count, thumbnails=thumbnails)
        return read(NextExamples, self._call(self._stub.NextExamples, request))

    def remove_examples(self, dataset: str, examples: Iterable[ExampleKey]) -> "tuple[int, Dataset]":
        """Remove examples, or images of the pool, named as for `relabel_examples`; return how many, and the dataset.

        All are removed or none. Raises `NotFoundError` where there is no such dataset, or an example is not in it, and
        `ServerError`; the call is not repeated.

        >>> removed, dataset = client.remove_examples("pets", ["cat/cat0.jpg"])
        >>> removed
        1
        """
        from lastlayer.client.results.datasets import Dataset

        request = classifier_pb2.RemoveExamplesRequest(dataset=dataset, examples=map(selector, examples))
        answer = self._call(self._stub.RemoveExamples, request, repeat=False)
        return answer.removed_count, read(Dataset, answer.dataset)

    def review_examples(
        self, model: str, *, version: int = 0, kind: str = "suspicious", limit: int = 100, thumbnails: bool = False
    ) -> "Review":
        """Return training examples that are worth a look, the worst first, at most `limit`.

        `kind` is `suspicious` for those whose label is probably wrong, or `mistakes` for those that the version
        predicted wrongly while they were held out. `version` 0 is the model's default. Raises `InvalidInputError` for
        another kind, `NotFoundError` where there is no such model or version, and `ServerError`.

        >>> review = client.review_examples("pets", kind="mistakes", limit=3)
        >>> len(review.examples), review.total_count
        (3, 4)
        """
        from lastlayer.client.results.curation import Review

        if kind not in REVIEW_KINDS:
            raise InvalidInputError(f"There is no kind `{kind}`; give one of {', '.join(REVIEW_KINDS)}.")
        request = classifier_pb2.ReviewExamplesRequest(
            model=model, version=version, kind=REVIEW_KINDS[kind], page_size=limit, thumbnails=thumbnails
        )
        return read(Review, self._call(self._stub.ReviewExamples, request))


def selector(example: ExampleKey) -> classifier_pb2.ExampleSelector:
    """Return how the contract names an example."""
    if isinstance(example, bytes):
        return classifier_pb2.ExampleSelector(content_sha256=example)
    return classifier_pb2.ExampleSelector(id=example)
