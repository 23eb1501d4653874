#!/bin/sh
# Generates the stubs into the folder lastlayer/ of the current folder. PYTHON is what runs protoc.
set -eu
python=${PYTHON:-python}
protos=$(cd "$(dirname "$0")/../../protos" && pwd)
common=$("$python" -c 'import google.rpc, os; print(os.path.dirname(os.path.dirname(google.rpc.__path__[0])))')
"$python" -m grpc_tools.protoc -I "$protos" -I "$common" --python_out=. --pyi_out=. --grpc_python_out=. \
  "$protos"/lastlayer/v1/*.proto
