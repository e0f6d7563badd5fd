# One image for the API, the workers and the oracle.
FROM python:3.12-slim

WORKDIR /srv/svp
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY app app
COPY selection selection
COPY models models
COPY svp_client svp_client
COPY workers workers
COPY migrations migrations
RUN pip install --no-cache-dir --constraint constraints.txt '.[crowd]' \
    && useradd --create-home --uid 10001 svp \
    && mkdir -p /data /data-sets /reports \
    && chown svp:svp /data /data-sets /reports
USER svp
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
CMD ["svp", "up"]
