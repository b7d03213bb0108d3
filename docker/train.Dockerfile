# cnncli with everything that training uses. The folder with your data, configs and runs is mounted.
#
#   docker build -f docker/train.Dockerfile -t cnncli .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/project" cnncli train digits
#   docker run --rm --gpus all --shm-size 2g --user "$(id -u):$(id -g)" -v "$PWD:/project" cnncli train my.yaml
#
# The default packages of PyTorch contain NVIDIA's libraries. For CPUs only, give the address of PyTorch's index of
# packages for CPUs as --build-arg TORCH_INDEX=ADDRESS.
FROM python:3.13-slim-bookworm AS build
ARG TORCH_INDEX=""
ARG PIP_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/cnncli
ENV PATH=/opt/cnncli/bin:$PATH
# before the code is copied: a change of the code leaves this layer, the largest, as it is
# hadolint ignore=DL3013
RUN pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "torch>=2.11" "torchvision>=0.29"
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY cnncli cnncli
COPY configs configs
COPY docs docs
# pyproject.toml says which versions fit
# hadolint ignore=DL3013
RUN pip install ".[timm,tables,explain]"

FROM python:3.13-slim-bookworm
COPY --from=build /opt/cnncli /opt/cnncli
# a user who is not in /etc/passwd (--user) has no home folder: what is kept between runs lies in the mounted folder
ENV PATH=/opt/cnncli/bin:$PATH PYTHONUNBUFFERED=1 CNNCLI_CACHE=/project/.cnncli-cache TORCH_HOME=/project/.torch \
    MPLCONFIGDIR=/tmp/matplotlib USER=cnncli TORCHINDUCTOR_CACHE_DIR=/tmp/inductor
RUN useradd --system --no-create-home --uid 10001 cnncli && mkdir /project && chown cnncli /project
USER 10001
WORKDIR /project
# a training is no service: nobody asks whether it is well
HEALTHCHECK NONE
STOPSIGNAL SIGTERM
ENTRYPOINT ["cnncli"]
CMD ["--help"]
