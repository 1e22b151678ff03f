# mlcycle itself in an image, for a class or a server. (Images of models are another thing: `mlcycle images build`.)
#
#   make image                                                                 builds it as `mlcycle`
#   docker run --rm -it mlcycle demo                                           the demo, gone afterwards
#   docker run --rm -it -v "$PWD:/work" --user "$(id -u):$(id -g)" mlcycle     the UI on the current folder
#
# Without a registry, name a base image the engine already has; without an index, use the wheels that `make image` lays
# into build/wheels:  make image BASE=local/python-base:bookworm OFFLINE=1
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
WORKDIR /src
COPY . .
# Empty is off; 1 installs from build/wheels alone.
ARG PIP_NO_INDEX=
RUN mkdir -p build/wheels && python3 -m venv /opt/mlcycle \
    && /opt/mlcycle/bin/pip install --no-cache-dir --find-links build/wheels .

FROM ${BASE}
COPY --from=build /opt/mlcycle /opt/mlcycle
ENV PATH=/opt/mlcycle/bin:$PATH HOME=/work LANG=C.UTF-8 TERM=xterm-256color OMP_NUM_THREADS=1
RUN mkdir -p /work && chown 10001:10001 /work
# A number, so that a cluster can see that it is not root.
USER 10001:10001
WORKDIR /work
VOLUME /work
ENTRYPOINT ["mlcycle"]
