# synthscope on a CPU, for a user without rights and a root that cannot be written:
#   docker run --rm --read-only --tmpfs /tmp --network none -v "$PWD/images:/data:ro" -v "$PWD/out:/work" synthscope inspect /data
FROM python:3.11-slim AS build
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY synthscope synthscope
RUN python -m venv /opt/synthscope \
 && /opt/synthscope/bin/pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
    -c constraints.txt '.[fast,provenance,web]'

FROM python:3.11-slim
COPY --from=build /opt/synthscope /opt/synthscope
ENV PATH=/opt/synthscope/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
# Images and detectors are mounted at /data, what is written at /work.
WORKDIR /work
ENTRYPOINT ["synthscope"]
CMD ["--help"]
