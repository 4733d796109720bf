"""Files of certificates that variables and URLs name are checked before a connection is tried."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from runner import certificate_files
from runner.db.session import Database
from runner.limiter import server_check
from runner.rules.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with good and bad files."""
    folder = tmp_path_factory.mktemp("certificates")
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=a -keyout key.pem -out ca.pem"
    subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True, timeout=240)
    (folder / "empty").touch()
    (folder / "garbage").write_bytes(b"\x00\x01 no certificate")
    (folder / "cut.pem").write_bytes((folder / "ca.pem").read_bytes()[:300])
    (folder / "good").mkdir()
    shutil.copy(folder / "ca.pem", folder / "good" / "0123abcd.0")
    return folder


BAD_FILES = {
    "nope.pem": "is not there",
    ".": "is a folder",
    "empty": "is empty",
    "garbage": "holds no certificate in PEM form",
    "cut.pem": "holds no certificate in PEM form",
    "key.pem": "holds no certificate in PEM form",
    "empty/x": "cannot be read",
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_named(name: str, folder: Path) -> None:
    """In SSL_CERT_FILE and in the URLs of PostgreSQL and Redis, with its path and what is wrong."""
    path = folder / name
    with pytest.raises(UsageError) as refused:
        certificate_files.check_variables({"SSL_CERT_FILE": str(path)})
    assert refused.value.what.startswith("what SSL_CERT_FILE names ")
    assert refused.value.what.endswith(f": {path}")
    assert BAD_FILES[name] in refused.value.what
    with pytest.raises(UsageError, match="what sslrootcert in RUNNER_DATABASE_URL names"):
        Database(f"postgresql://ann:pw@127.0.0.1:9/x?sslmode=verify-full&sslrootcert={path}")
    with pytest.raises(UsageError, match="what ssl_ca_certs in RUNNER_REDIS_URL names"):
        server_check.inspect(f"rediss://:pw@127.0.0.1:9/0?ssl_ca_certs={path}")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["nope"], "is not there"),
        (["garbage"], "is a file"),
        (["."], "holds no certificate under its hash"),
        (["nope", "."], "is not there"),
        (["good"], None),
        (["nope", "good"], None),
    ],
)
def test_a_folder_of_certificates(names: list[str], words: str | None, folder: Path) -> None:
    """One good folder is enough; files have the names that `openssl rehash` gives."""
    env = {"SSL_CERT_DIR": ":".join(str(folder / name) for name in names)}
    if words is None:
        certificate_files.check_variables(env)
        return
    with pytest.raises(UsageError, match=r"^what SSL_CERT_DIR names") as refused:
        certificate_files.check_variables(env)
    assert words in refused.value.what


def test_good_and_empty_values(folder: Path) -> None:
    """An empty variable is not set; libpq knows the word `system`."""
    certificate_files.check_variables({})
    certificate_files.check_variables({"SSL_CERT_FILE": "", "SSL_CERT_DIR": ""})
    certificate_files.check_variables({"SSL_CERT_FILE": str(folder / "ca.pem")})
    for query in ("", "?sslmode=require", "?sslrootcert=system", f"?sslrootcert={folder}/ca.pem"):
        certificate_files.check_url("RUNNER_DATABASE_URL", f"postgresql://h/x{query}")


def test_a_file_that_may_not_be_read(folder: Path) -> None:
    """A client key of another user; root may read all, so the loop of links stands for it."""
    (folder / "loop").symlink_to("loop")
    with pytest.raises(UsageError, match="what sslkey in RUNNER_DATABASE_URL names cannot be read"):
        certificate_files.check_url("RUNNER_DATABASE_URL", f"postgresql://h/x?sslkey={folder}/loop")
