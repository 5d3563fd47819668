# The pinned environment for clusters: head, workers and service run the same image.
#   docker build -t glioray:0.1.0 .                                  # torch for NVIDIA's GPUs; it runs on CPUs too
#   docker build -t glioray:0.1.0-cpu --build-arg TORCH_INDEX=URL .  # URL: PyTorch's index of CPU builds, a third of the size
# For another CUDA than PyPI's, give PyTorch's index of that CUDA.
FROM python:3.11-slim-bookworm

ARG TORCH_INDEX=""

LABEL org.opencontainers.image.title="glioray" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.description="Research use only. Not a medical device."

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    RAY_AUTH_MODE=token \
    RAY_USAGE_STATS_ENABLED=0

# wget: KubeRay asks by it whether a worker of a RayService is ready.
RUN apt-get update \
    && apt-get install -y --no-install-recommends wget \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 glioray

WORKDIR /opt/glioray

# Alone in a layer: gigabytes that change with the pins, not with the code.
COPY constraints.txt ./
RUN grep -E '^(torch|torchvision)==' constraints.txt > torch.txt \
    && pip install --constraint constraints.txt ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} --requirement torch.txt \
    && rm torch.txt

COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY platform ./platform
COPY jobs ./jobs
COPY search_spaces ./search_spaces
COPY serve ./serve
RUN pip install --constraint constraints.txt .

# No port is open and nothing runs as root; `ray start`, `glioray serve` and the rest are commands of the caller.
USER glioray
CMD ["glioray", "--help"]
