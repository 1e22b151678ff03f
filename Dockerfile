# mlcycle itself in an image, for a class or a server. (Images of models are another thing: `mlcycle images build`.)
#
#   docker build -t mlcycle .
#   docker run --rm -it -v "$PWD:/work" --user "$(id -u):$(id -g)" mlcycle            the UI on the current folder
#   docker run --rm -it mlcycle demo                                                  the demo, gone afterwards
#
# Without a registry, give a base image the engine already has: --build-arg BASE=local/python-base:bookworm.
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
WORKDIR /src
COPY pyproject.toml README.md ./
COPY core core
COPY app app
COPY sample_data sample_data
RUN python3 -m venv /opt/mlcycle && /opt/mlcycle/bin/pip install --no-cache-dir .

FROM ${BASE}
COPY --from=build /opt/mlcycle /opt/mlcycle
ENV PATH=/opt/mlcycle/bin:$PATH HOME=/work LANG=C.UTF-8 TERM=xterm-256color OMP_NUM_THREADS=1
RUN mkdir -p /work && chown 10001:10001 /work
# A number, so that a cluster can see that it is not root.
USER 10001:10001
WORKDIR /work
VOLUME /work
ENTRYPOINT ["mlcycle"]
