#!/bin/sh
# Adds the photos of a folder, trains and predicts: train-and-predict.sh FOLDER IMAGE [NAME] [STUDIO]
set -eu
folder=$1 image=$2 name=${3:-default} studio=${4:-http://127.0.0.1:8080}

call() { curl --fail-with-body --silent --show-error "$@"; }

for class in "$folder"/*/; do
  for photo in "$class"*; do
    # A photo at a time, so that any number is sent; a form may have up to 64 of them.
    call --form-string "label=$(basename "$class")" -F "image=@\"$photo\"" "$studio/v1/datasets/$name/examples" >/dev/null
  done
done
call --no-buffer -H 'Content-Type: application/json' -d '{}' "$studio/v1/models/$name:train"
call -F "image=@\"$image\"" "$studio/v1/models/$name:predict"
