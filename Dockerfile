# One image for the API, the workers and the oracle.
FROM python:3.12-slim

WORKDIR /srv/svp
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY app app
COPY selection selection
COPY models models
COPY workers workers
COPY migrations migrations
RUN pip install --no-cache-dir --constraint constraints.txt '.[crowd]' \
    && useradd --create-home --uid 10001 svp \
    && mkdir -p /data /data-sets /reports \
    && chown svp:svp /data /data-sets /reports
USER svp
VOLUME ["/data", "/data-sets", "/reports"]
EXPOSE 8000
CMD ["svp", "up"]
