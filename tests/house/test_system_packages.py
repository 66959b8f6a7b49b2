"""What the tests start is installed where that is possible, and only what is missing."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.needs import ROOT

TOOLS = ("bash", "mktemp", "chmod", "rm", "tail")
PROGRAMS = ("chromium", "prometheus", "prometheus-alertmanager", "initdb")


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine of nothing but a shell: its apt-get writes down what it is asked for."""
    for tool in TOOLS:
        (tmp_path / tool).symlink_to(str(shutil.which(tool)))
    write(tmp_path / "id", "echo 0")
    write(tmp_path / "apt-get", f'echo "$@ $DEBIAN_FRONTEND" >>{tmp_path}/asked; [ -e {tmp_path}/policy ]')
    return tmp_path


def write(path: Path, body: str) -> None:
    path.write_text(f"#!{shutil.which('bash')}\n{body}\n")
    path.chmod(0o755)


def run(machine: Path) -> subprocess.CompletedProcess[str]:
    if not Path("/etc/debian_version").exists():
        write(machine / "id", "echo 1000")
    environment = {"PATH": str(machine), "TWOKEY_POLICY_RC": str(machine / "policy")}
    script = [str(machine / "bash"), str(ROOT / ".ci" / "system-packages")]
    return subprocess.run(script, env=environment, capture_output=True, text=True)


def asked(machine: Path) -> list[str]:
    path = machine / "asked"
    return path.read_text().splitlines() if path.exists() else []


def test_what_is_missing_is_installed_and_starts_no_service(machine: Path) -> None:
    write(machine / "initdb", "")
    write(machine / "chromium", "")
    assert run(machine).returncode == 0
    if asked(machine):  # Debian; elsewhere nothing may be asked
        update, install = asked(machine)
        assert update == "update noninteractive"
        assert install.endswith(" prometheus prometheus-alertmanager noninteractive")
    assert not (machine / "policy").exists()


def test_where_all_is_there_nothing_is_installed(machine: Path) -> None:
    for name in PROGRAMS:
        write(machine / name, "")
    ran = run(machine)
    assert (ran.returncode, ran.stderr, asked(machine)) == (0, "", [])


def test_who_is_not_root_is_told_what_will_skip(machine: Path) -> None:
    write(machine / "id", "echo 1000")
    ran = run(machine)
    assert (ran.returncode, asked(machine)) == (0, [])
    assert "chromium prometheus prometheus-alertmanager" in ran.stderr


def test_a_failed_installation_says_so_and_lets_the_tests_decide(machine: Path) -> None:
    write(machine / "apt-get", "echo no network; exit 100")
    ran = run(machine)
    assert ran.returncode == 0
    assert "will skip" in ran.stderr
