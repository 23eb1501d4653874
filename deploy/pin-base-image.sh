#!/bin/sh
# Writes the digest that the images' base has today into .env, which Compose reads: what is built from then on is built on
# exactly that image. Run it again to take a newer one, and commit .env where your deployment is kept.
#   deploy/pin-base-image.sh [IMAGE]
set -eu
image=${1:-python:3.11-slim-bookworm}
file=$(dirname "$0")/../.env
docker pull --quiet "$image" >/dev/null || {
  echo "$image cannot be pulled, so that its digest is not known; .env is left as it is." >&2
  exit 1
}
digest=$(docker image inspect --format '{{index .RepoDigests 0}}' "$image")
case $digest in
*@sha256:*) ;;
*)
  echo "$image has no digest: it was made on this machine, or by a registry that gives none; .env is left as it is." >&2
  exit 1
  ;;
esac
{
  if [ -e "$file" ]; then grep -v '^PYTHON_IMAGE=' "$file" || true; fi
  echo "PYTHON_IMAGE=$digest"
} >"$file.new"
mv "$file.new" "$file"
echo "The images are built on $digest from now on (.env)."
