"""Dockerfile, docker-compose.yml and the product: what each says of the others is so."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from core.settings import ROOT, load, variables
from core.settings import Settings as ProductSettings
from tests.support.commands import PARTS
from tests.support.dockerfile import Stage, stages
from tests.support.services import NO_FILE

PLACES = ("DATA_DIR", "LOG_DIR")
SECRETS = {
    field.alias for field in ProductSettings.model_fields.values() if "SecretStr" in str(field.annotation)
}
Yaml = dict[str, Any]
# Of libpq and of the system, not of the product.
FOREIGN_VARIABLES = {"PGPASSWORD"}


@pytest.fixture(scope="module")
def build() -> Stage:
    """The stage that makes the environment."""
    return stages()[0]


@pytest.fixture(scope="module")
def image() -> Stage:
    """The stage that becomes the image."""
    return stages()[-1]


@pytest.fixture(scope="module")
def compose() -> Yaml:
    """docker-compose.yml."""
    loaded: Yaml = YAML(typ="safe").load(ROOT / "docker-compose.yml")
    return loaded


@pytest.fixture(scope="module")
def app(compose: Yaml) -> Yaml:
    """The product's service in it."""
    service: Yaml = compose["services"]["app"]
    return service


def names() -> set[str]:
    """Every variable that the product reads."""
    return set(variables(load({}, NO_FILE)))


def test_the_image_holds_what_the_product_needs(build: Stage) -> None:
    """Exactly the parts from which the tests run commands, and the lock; .dockerignore lets in no more."""
    copied = {part for words in build.all("COPY") for part in words.split()[:-1]}
    assert copied == {*PARTS, "requirements.txt"}
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert "*" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == copied


def test_the_image_installs_the_lock_as_make_does(build: Stage) -> None:
    """Whole, with hashes, without a resolver, and nothing is built from source."""
    (installs,) = [words for words in build.all("RUN") if "install" in words]
    make = (ROOT / "Makefile").read_text(encoding="utf-8")
    options = "--require-hashes --no-deps --requirement"
    assert f"install {options} requirements.txt" in make
    assert f"--only-binary :all: {options} /tmp/requirements.txt" in installs


def test_pythons_version_is_pinned_and_the_oldest_supported() -> None:
    """The version on which the tests hold the product; both stages stand on the same image."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    oldest = re.search(r'requires-python = ">=([0-9.]+)"', (ROOT / "pyproject.toml").read_text())
    assert oldest is not None
    assert f"ARG PYTHON_IMAGE=python:{oldest[1]}-slim-bookworm\n" in text
    assert {stage.one("FROM").split()[0] for stage in stages()} == {"${PYTHON_IMAGE}"}


def test_the_server_is_nobody_and_owns_no_program(image: Stage) -> None:
    """A fixed number without rights, given as a number so that a cluster can check it."""
    assert image.one("USER") == "10001:10001"
    assert "--uid 10001 --gid 10001" in image.one("RUN")
    assert all("--chown" not in words for words in image.all("COPY"))
    made = re.search(r"install --directory --owner=10001 --group=10001 --mode=0750 (.*)", image.one("RUN"))
    assert made is not None
    assert made[1].split() == image.command("VOLUME")


def test_no_secret_can_reach_a_layer(build: Stage, image: Stage) -> None:
    """Neither stage takes or sets one."""
    for stage in (build, image):
        assert stage.all("ARG") == []
        assert not SECRETS & stage.environment.keys()
    assert len(SECRETS) == 6


def test_the_images_variables_are_the_products(image: Stage) -> None:
    """Its settings are valid ones, at the places that are volumes, behind the port that is named."""
    assert image.environment.keys() == {"HOST", "PORT", *PLACES}
    known = load(image.environment, NO_FILE)
    assert [str(known.data_dir), str(known.log_dir)] == image.command("VOLUME")
    assert image.one("EXPOSE") == str(known.port)
    assert not known.loopback


def test_the_image_starts_the_product_behind_an_init_process(image: Stage) -> None:
    """`docker run … import --full` works too, for the verb alone is the command."""
    assert image.command("ENTRYPOINT") == ["tini", "--", "python", "-m", "core"]
    assert image.command("CMD") == ["start"]
    assert "--no-install-recommends tini" in image.one("RUN")
    assert image.one("ENV").startswith(f"PATH={image.one('WORKDIR')}/.venv/bin:$PATH ")


def test_compose_sets_whatever_is_so_inside(app: Yaml, image: Stage) -> None:
    """The values of a `.env` for this machine, such as PORT, cannot reach into the container."""
    assert app["env_file"] == ".env"
    assert app["environment"].keys() == {
        *image.environment,
        "DATABASE_URL",
        "TIMEZONE",
        *FOREIGN_VARIABLES,
    }
    assert app["environment"].keys() - FOREIGN_VARIABLES <= names()
    assert {name: app["environment"][name] for name in image.environment} == image.environment
    assert not load(app["environment"] | {"TIMEZONE": "UTC"}, NO_FILE).loopback


def test_compose_binds_loopback_and_keeps_what_must_stay(compose: Yaml, app: Yaml, image: Stage) -> None:
    """Ports of this machine alone; each folder that the server writes is a named volume."""
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert app["ports"] == [f"127.0.0.1:${{PORT:-8501}}:{image.one('EXPOSE')}"]
    mounted = dict(volume.split(":") for volume in app["volumes"])
    assert list(mounted.values()) == image.command("VOLUME")
    assert mounted.keys() | {"postgres"} == compose["volumes"].keys()


def test_compose_gives_the_product_no_right_that_it_does_not_need(compose: Yaml, app: Yaml) -> None:
    """Nothing but its volumes and /tmp can be written, and no program can gain rights."""
    assert (app["read_only"], app["cap_drop"]) == (True, ["ALL"])
    assert app["tmpfs"] == ["/tmp"]  # noqa: S108 (the container's own)
    for service in compose["services"].values():
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_compose_waits_for_a_database_that_it_alone_starts_by_default(compose: Yaml, app: Yaml) -> None:
    """`make docker-up` starts PostgreSQL; the product is asked for by its profile, and begins after it."""
    assert app["profiles"] == ["app"]
    assert "profiles" not in compose["services"]["postgres"]
    assert "healthcheck" in compose["services"]["postgres"]
    assert app["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_compose_holds_no_password(compose: Yaml) -> None:
    """Each comes from the environment or `.env`, and its absence is told."""
    for service in compose["services"].values():
        for name, value in service["environment"].items():
            assert "PASSWORD" not in name or value.startswith("${POSTGRES_PASSWORD:?")
            assert not re.search(r"://[^/]*:[^/]*@", str(value))


@pytest.mark.parametrize(
    ("versions", "used"),
    [
        ({"docker": "2.24.5", "docker-compose": "1.29.2"}, "docker compose up"),
        ({"docker": "", "docker-compose": "v2.5.0"}, "docker-compose up"),
        ({"docker": "", "docker-compose": "1.29.2"}, ""),
    ],
)
def test_make_takes_a_compose_that_reads_the_file(
    versions: dict[str, str], used: str, tmp_path: Path
) -> None:
    """Compose 2 or newer under either name; where there is none, one line says so and make fails."""
    for name, version in versions.items():
        program = tmp_path / name
        words = f'case "$*" in *"version --short") echo {version};; *) echo {name} "$@";; esac'
        program.write_text(f"#!/bin/sh\n{words}\n")
        program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.defpath}"}
    made = subprocess.run(
        ["make", "docker-up"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert made.stdout.startswith(used)
    assert (made.returncode == 0) == bool(used)
    assert ("Compose 2 or newer" in made.stderr) == (not used)
