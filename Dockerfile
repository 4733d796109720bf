# The image of every service in docker-compose.yml: the wheel and what it needs, run by a user without rights.

FROM python:3.12-slim AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY migrations migrations
COPY runner runner
RUN python -m venv /opt/runner \
 && /opt/runner/bin/pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt .

FROM python:3.12-slim
COPY --from=build /opt/runner /opt/runner
RUN useradd --uid 10001 --create-home --home-dir /home/runner runner \
 && install --directory --owner runner --mode 0700 /var/lib/runner /var/lib/runner/output
ENV PATH=/opt/runner/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    RUNNER_HOME=/var/lib/runner
USER runner
WORKDIR /home/runner
CMD ["runner", "--help"]
