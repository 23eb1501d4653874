# The command line. Built from the root of the repository:
#   docker build -f deploy/client.Dockerfile -t lastlayer-client:0.1.0 .

# deploy/pin-base-image.sh writes a digest of it into .env, which Compose reads.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/lastlayer
WORKDIR /build
# What builds our own wheel: by its hashes too, and so without an environment that pip would make for it.
COPY requirements/build.txt build.txt
RUN /opt/pip/bin/pip install --quiet --require-hashes -r build.txt
COPY requirements/client.txt requirements.txt
COPY tools/slim.py slim.py
RUN /opt/pip/bin/pip --python /opt/lastlayer/bin/python install --quiet --no-compile --require-hashes \
      -r requirements.txt \
 && /opt/lastlayer/bin/python slim.py \
 && /opt/lastlayer/bin/python -m compileall -qq -j 0 /opt/lastlayer/lib
COPY LICENSE README.md pyproject.toml ./
COPY protos/lastlayer protos/lastlayer
COPY rpc rpc
COPY client client
# Beside the dependencies, so that the next version of the code is a small layer of its own.
RUN /opt/pip/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/pip/bin/pip --python /opt/lastlayer/bin/python install --quiet --no-deps --no-index --prefix /opt/code dist/*.whl

FROM ${PYTHON_IMAGE}
ENV PATH=/opt/lastlayer/bin:$PATH \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
RUN useradd --uid 10001 --no-create-home --home-dir /work --shell /usr/sbin/nologin lastlayer
COPY --from=build /opt/lastlayer /opt/lastlayer
COPY --from=build /opt/code /opt/lastlayer
COPY deploy/as-owner.sh /opt/lastlayer/bin/as-owner
WORKDIR /work
USER 10001:10001
ENTRYPOINT ["as-owner"]
CMD ["--help"]
