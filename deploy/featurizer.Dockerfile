# The featurizer: TensorFlow, and what turns images into vectors. Built from the root of the repository:
#   docker build -f deploy/featurizer.Dockerfile -t lastlayer-featurizer:0.1.0 .

# deploy/pin-base-image.sh writes a digest of it into .env, which Compose reads.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/lastlayer
WORKDIR /build
# What builds our own wheel: by its hashes too, and so without an environment that pip would make for it.
COPY requirements/build.txt build.txt
RUN /opt/pip/bin/pip install --quiet --require-hashes -r build.txt
# `featurizer-gpu` has NVIDIA's libraries as well.
ARG REQUIREMENTS=featurizer
COPY requirements/${REQUIREMENTS}.txt requirements.txt
COPY tools/slim.py slim.py
RUN /opt/pip/bin/pip --python /opt/lastlayer/bin/python install --quiet --no-compile --require-hashes \
      -r requirements.txt \
 && /opt/lastlayer/bin/python slim.py \
 && /opt/lastlayer/bin/python -m compileall -qq -j 0 -x '/(pip|setuptools)/' /opt/lastlayer/lib
COPY LICENSE README.md pyproject.toml ./
COPY protos/lastlayer protos/lastlayer
COPY rpc rpc
COPY featurizer featurizer
# Beside the dependencies, so that the next version of the code is a small layer of its own.
RUN /opt/pip/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/pip/bin/pip --python /opt/lastlayer/bin/python install --quiet --no-deps --no-index --prefix /opt/code dist/*.whl

# Weights are fetched when the service starts, unless this names a backbone (or `auto`): for machines without a network.
FROM build AS weights
ARG BAKE_BACKBONE=
RUN cp -r /opt/code/. /opt/lastlayer && mkdir -p /var/lib/lastlayer/weights && cd /var/lib/lastlayer/weights \
 && if [ -n "$BAKE_BACKBONE" ]; then \
      LASTLAYER_HOME=/var/lib/lastlayer /opt/lastlayer/bin/featurizer fetch "$BAKE_BACKBONE" && rm -rf packages; \
    fi

FROM ${PYTHON_IMAGE}
ENV PATH=/opt/lastlayer/bin:$PATH \
    HOME=/tmp \
    PIP_NO_CACHE_DIR=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LASTLAYER_HOME=/var/lib/lastlayer \
    FEATURIZER_ADDRESS=0.0.0.0:50051
ARG BAKE_BACKBONE=
ENV LASTLAYER_BACKBONE=${BAKE_BACKBONE:-auto}
RUN useradd --uid 10001 --no-create-home --home-dir /var/lib/lastlayer --shell /usr/sbin/nologin lastlayer
COPY --from=build /opt/lastlayer /opt/lastlayer
COPY --from=weights --chown=10001:10001 /var/lib/lastlayer /var/lib/lastlayer
COPY --from=build /opt/code /opt/lastlayer
USER 10001:10001
EXPOSE 50051
ENTRYPOINT ["featurizer"]
CMD ["serve"]
