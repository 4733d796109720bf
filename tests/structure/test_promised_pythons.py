"""The Pythons that the package promises are the ones that hosted CI runs, and its workflow is well formed."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
SCHEMAS = ("vendor.github-workflows", "custom.github-workflows-require-timeout")
CLASSIFIER = "Programming Language :: Python :: "


def workflow() -> dict[str, Any]:
    """Return the workflow of hosted CI, parsed."""
    found: dict[str, Any] = YAML(typ="safe").load(
        (ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8")
    )
    return found


def project() -> dict[str, Any]:
    """Return the [project] table of pyproject.toml."""
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return found


def matrix() -> list[str]:
    """Return the Python versions of the matrix, as written there."""
    versions: list[str] = workflow()["jobs"]["test"]["strategy"]["matrix"]["python"]
    return versions


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_matches_the_published_schema(path: Path, schema: str) -> None:
    """The schema is the one that check-jsonschema ships: no network is needed."""
    command = [str(Path(sys.executable).parent / "check-jsonschema"), "--builtin-schema", schema, str(path)]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_workflow_may_only_read() -> None:
    """A step that goes wrong, or an action that turns bad, can change nothing in the repository."""
    assert WORKFLOWS
    for path in WORKFLOWS:
        content = YAML(typ="safe").load(path.read_text("utf-8"))
        assert content["permissions"] == {"contents": "read"}
        assert content["concurrency"]["group"]
        for job in content["jobs"].values():
            assert "permissions" not in job
            for step in job["steps"]:
                assert re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", step.get("uses", "a/b@" + "0" * 40))


def test_hosted_ci_runs_the_same_command_as_everybody_else() -> None:
    """`.ci/run` is `make test`; PYTHON names the interpreter of the matrix."""
    job = workflow()["jobs"]["test"]

    assert job["steps"][-1] == {"run": ".ci/run"}
    assert job["env"] == {"PYTHON": "python${{ matrix.python }}"}


def test_the_matrix_is_what_the_package_promises() -> None:
    """Classifiers, `requires-python` and the README name the same versions."""
    promised = [
        word.removeprefix(CLASSIFIER) for word in project()["classifiers"] if word.startswith(CLASSIFIER)
    ]

    assert matrix() == promised
    assert project()["requires-python"] == f">={promised[0]}"
    assert f"Python {promised[0]} to {promised[-1]}" in (ROOT / "README.md").read_text("utf-8")
