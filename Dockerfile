# The product as an image: dashboard, API and scheduler, with the embedded PostgreSQL for the demo.
#   docker build --tag jointchiro .
# Python's version is the one that the tests run on. A build that must repeat to the bit names a digest:
#   --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:…
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /srv/jointchiro
COPY requirements.txt /tmp/
# Made where it will lie: the programs of an environment hold its path. The image runs without pip in it.
RUN python -m venv --without-pip .venv \
    && python -m pip --python .venv install --no-cache-dir --only-binary :all: --require-hashes --no-deps \
        --requirement /tmp/requirements.txt
COPY dashboard.py pyproject.toml ./
COPY .streamlit .streamlit/
COPY assets assets/
COPY core core/
COPY migrations migrations/
COPY pages pages/
RUN .venv/bin/python -m compileall -q core migrations pages dashboard.py

FROM ${PYTHON_IMAGE}
# tini is process 1: it passes signals on and reaps what the embedded PostgreSQL leaves behind.
# Its version is not pinned: a Debian release has one, and takes the older number away with a security update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 jointchiro \
    && useradd --no-log-init --no-create-home --uid 10001 --gid 10001 --home-dir /var/lib/jointchiro \
        --shell /usr/sbin/nologin jointchiro \
    && install --directory --owner=10001 --group=10001 --mode=0750 /var/lib/jointchiro /var/log/jointchiro
WORKDIR /srv/jointchiro
# Everything belongs to root: the server cannot change its own program.
COPY --from=build /srv/jointchiro ./
# In a container every address but its own is the network, so the server starts only with a guard
# (DASHBOARD_PASSWORD, API_TOKEN or TRUSTED_USER_HEADER). The other settings come with `docker run --env-file`,
# or from a file at /srv/jointchiro/.env.
ENV PATH=/srv/jointchiro/.venv/bin:$PATH \
    HOST=0.0.0.0 \
    PORT=8501 \
    DATA_DIR=/var/lib/jointchiro \
    LOG_DIR=/var/log/jointchiro
VOLUME ["/var/lib/jointchiro", "/var/log/jointchiro"]
EXPOSE 8501
USER 10001:10001
# A server with a failed import is up; one without its database is not, and answers 503.
HEALTHCHECK --interval=10s --timeout=10s --start-period=90s \
    CMD ["python", "-c", "import http.client, os, sys; asked = http.client.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=8); asked.request('GET', '/health'); sys.exit(asked.getresponse().status != 200)"]
ENTRYPOINT ["tini", "--", "python", "-m", "core"]
CMD ["start"]
