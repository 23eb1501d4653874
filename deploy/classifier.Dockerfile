# The classifier: scikit-learn, the store (SQLite or PostgreSQL) and its service; on x86-64 openTSNE, too, for maps. Built
# from the root of the repository:
#   docker build -f deploy/classifier.Dockerfile -t lastlayer-classifier:0.1.0 .

# deploy/pin-base-image.sh writes a digest of it into .env, which Compose reads.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /opt/pip && python3 -m venv --without-pip /opt/lastlayer
WORKDIR /build
# What builds our own wheel: by its hashes too, and so without an environment that pip would make for it.
COPY requirements/build.txt build.txt
RUN /opt/pip/bin/pip install --quiet --require-hashes -r build.txt
COPY requirements/classifier.txt requirements.txt
COPY tools/slim.py slim.py
RUN /opt/pip/bin/pip --python /opt/lastlayer/bin/python install --quiet --no-compile --require-hashes \
      -r requirements.txt \
 && /opt/lastlayer/bin/python slim.py \
 && /opt/lastlayer/bin/python -m compileall -qq -j 0 /opt/lastlayer/lib
COPY LICENSE README.md pyproject.toml ./
COPY protos/lastlayer protos/lastlayer
COPY rpc rpc
COPY classifier_svc classifier_svc
# Beside the dependencies, so that the next version of the code is a small layer of its own.
RUN /opt/pip/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/pip/bin/pip --python /opt/lastlayer/bin/python install --quiet --no-deps --no-index --prefix /opt/code dist/*.whl
# The volume of the store takes its owner from this folder.
RUN mkdir -p /var/lib/lastlayer/store

FROM ${PYTHON_IMAGE}
ENV PATH=/opt/lastlayer/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LASTLAYER_HOME=/var/lib/lastlayer \
    CLASSIFIER_ADDRESS=0.0.0.0:50052
RUN useradd --uid 10001 --no-create-home --home-dir /var/lib/lastlayer --shell /usr/sbin/nologin lastlayer
COPY --from=build /opt/lastlayer /opt/lastlayer
COPY --from=build --chown=10001:10001 /var/lib/lastlayer /var/lib/lastlayer
COPY --from=build /opt/code /opt/lastlayer
USER 10001:10001
EXPOSE 50052
ENTRYPOINT ["classifier-svc"]
CMD ["serve"]
