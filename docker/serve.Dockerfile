# A trained network behind HTTP: cnncli serve, on a CPU.
#
#   docker build -f docker/serve.Dockerfile --build-arg TORCH_INDEX=ADDRESS -t cnncli-serve .
#   docker run --rm -p 8000:8000 -e CNNCLI_TOKEN -v "$PWD/runs/digits/first:/network:ro" cnncli-serve
#
# TORCH_INDEX is the address of PyTorch's index of packages for CPUs. Without it pip installs the default packages, which
# on x86 contain NVIDIA's libraries: several gigabytes that this image does not use.
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
RUN pip install ".[serve]"

FROM python:3.13-slim-bookworm
COPY --from=build /opt/cnncli /opt/cnncli
ENV PATH=/opt/cnncli/bin:$PATH PYTHONUNBUFFERED=1 CNNCLI_CACHE=/tmp/cnncli MPLCONFIGDIR=/tmp/matplotlib
RUN useradd --system --no-create-home --uid 10001 cnncli
USER 10001
WORKDIR /
EXPOSE 8000
# the first answer comes after PyTorch is imported and the network is read
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["cnncli", "serve", "--host", "0.0.0.0", "--port", "8000"]
CMD ["/network"]
