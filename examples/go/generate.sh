#!/bin/sh
# Generates the Go stubs into lastlayer/v1: generate.sh FOLDER, which has google/rpc/status.proto
set -eu
here=$(cd "$(dirname "$0")" && pwd)
protos=${PROTOS:-$here/../../protos}
module=example.com/lastlayer/predict
mapped=
for name in types featurizer classifier; do
  mapped="$mapped,Mlastlayer/v1/$name.proto=$module/lastlayer/v1"
done
protoc -I "$protos" -I "$1" \
  --go_out="$here" --go_opt="module=$module$mapped" \
  --go-grpc_out="$here" --go-grpc_opt="module=$module$mapped" \
  "$protos"/lastlayer/v1/*.proto
