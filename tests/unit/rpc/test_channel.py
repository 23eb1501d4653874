"""The names of the services are those of the contract."""

from lastlayer.rpc.channel import CLASSIFIER_SERVICE, FEATURIZER_SERVICE
from lastlayer.v1 import classifier_pb2, featurizer_pb2


def test_services_have_the_names_of_the_contract() -> None:
    assert featurizer_pb2.DESCRIPTOR.services_by_name["Featurizer"].full_name == FEATURIZER_SERVICE
    assert classifier_pb2.DESCRIPTOR.services_by_name["Classifier"].full_name == CLASSIFIER_SERVICE
