# One image for the API, the workers and the oracle; `--target api` builds that of the API alone.
#   docker build -t svp-labeling .
#   docker build -t svp-labeling:cpu --build-arg TORCH_INDEX=... .    torch for machines without a GPU
#   docker build -t svp-labeling-api --target api .                   no torch at all
FROM python:3.12-slim AS source

WORKDIR /srv/svp
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY app app
COPY selection selection
COPY models models
COPY svp_client svp_client
COPY workers workers
COPY migrations migrations
COPY deploy deploy
RUN useradd --create-home --uid 10001 svp \
    && mkdir -p /data /data-sets /reports \
    && chown svp:svp /data /data-sets /reports
# Reachable from outside the container, and all data in the volume. The admin's token is written to
# /data/admin-token: docker exec CONTAINER cat /data/admin-token
ENV SVP_HOST=0.0.0.0 \
    SVP_PORT=8000 \
    SVP_DATA_FOLDER=/data \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1
VOLUME ["/data", "/data-sets", "/reports"]
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 CMD ["svp", "health"]

# The API, for a database and workers elsewhere: SVP_DATABASE_URL, SVP_BROKER_URL.
FROM source AS api
RUN pip install --no-cache-dir --constraint constraints.txt ./deploy/api
USER svp
CMD ["svp", "api"]

FROM source
# TORCH_INDEX names the package index of torch's CPU builds, which "Get started" on pytorch.org shows.
# Without it the build for CUDA is installed, several GB larger.
ARG TORCH_INDEX=""
RUN if [ -n "$TORCH_INDEX" ]; then \
        pip install --no-cache-dir --constraint constraints.txt --index-url "$TORCH_INDEX" \
            torch torchvision; \
    fi \
    && pip install --no-cache-dir --constraint constraints.txt '.[crowd]'
USER svp
CMD ["svp", "up"]
