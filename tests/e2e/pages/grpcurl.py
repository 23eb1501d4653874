"""Does what the pages ask of grpcurl, where that is not installed: finds methods by reflection, takes and prints JSON.

grpcurl.py -plaintext [-d JSON] HOST:PORT list | SERVICE/METHOD
"""

import argparse
from typing import Any

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-plaintext", action="store_true", required=True)
    parser.add_argument("-d", dest="data", default="{}")
    parser.add_argument("address")
    parser.add_argument("method")
    given = parser.parse_args()
    with grpc.insecure_channel(given.address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        if given.method == "list":
            print("\n".join(sorted(database.get_services())))
            return
        service, _, name = given.method.partition("/")
        method = DescriptorPool(database).FindServiceByName(service).FindMethodByName(name)
        request = json_format.Parse(given.data, GetMessageClass(method.input_type)())
        call: Any = channel.unary_unary(
            f"/{given.method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(method.output_type).FromString,
        )
        print(json_format.MessageToJson(call(request, timeout=60)))


if __name__ == "__main__":
    main()
