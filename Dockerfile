# One image for the gateway and its mock services; the command says which of them runs. See docs/containers.md.

FROM python:3.11-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# Without pip in it: what serves can install nothing.
RUN python -m venv --without-pip /opt/fanin
# The lock before the code: a change of the code downloads nothing again.
COPY requirements/run.txt requirements/
RUN python -m pip --python /opt/fanin/bin/python install --require-hashes -r requirements/run.txt
COPY . .
# The lock brings the build backend, so nothing unlocked is fetched here. It stays behind, and `check` says whether anybody misses it.
RUN python -m pip --python /opt/fanin/bin/python install --no-deps --no-build-isolation . \
    && python -m pip --python /opt/fanin/bin/python uninstall --yes \
        hatchling editables packaging pathspec pluggy tomlkit trove-classifiers \
    && python -m pip --python /opt/fanin/bin/python check
# Readable for whoever runs it, whatever the umask of the checkout was.
RUN mkdir /app && cp -r config deploy /app && chmod -R a+rX /app

FROM python:3.11-slim
RUN groupadd --gid 10001 fanin \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin fanin
COPY --from=build /opt/fanin /opt/fanin
COPY --from=build /app /app
WORKDIR /app
# The address is the container's own: who reaches it is decided where the port is published.
ENV PATH=/opt/fanin/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    GATEWAY_CONFIG=/app/config/gateway.yaml \
    GATEWAY_HOST=0.0.0.0
USER 10001:10001
EXPOSE 8080
CMD ["gateway", "serve"]
