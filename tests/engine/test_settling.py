"""msgspec learns a struct when it first meets it; two threads that do so at once end the process (see the module)."""

from __future__ import annotations

import subprocess
import sys

import pytest

_RACE = """
import sys, threading
import msgspec
import {module}
from twokey.engine.settling import settle_types, _all_below

sys.setswitchinterval(1e-6)
structs = [each for each in _all_below(msgspec.Struct) if each.__module__.startswith("twokey.")]
bodies = [msgspec.json.encode(dict.fromkeys(each.__struct_encode_fields__)) for each in structs]
barrier = threading.Barrier(4)

def meet():
    barrier.wait()
    for each, body in zip(structs, bodies):
        try:
            msgspec.json.decode(body, type=each)
        except (msgspec.MsgspecError, TypeError, ValueError):
            pass

threads = [threading.Thread(target=meet) for _ in range(4)]
[each.start() for each in threads]
[each.join() for each in threads]
print(len(structs))
"""


@pytest.mark.parametrize(("module", "least"), [("twokey.wiring", 200), ("twokey.client", 30)])
def test_whatever_threads_meet_first_at_once_the_process_lives(module: str, least: int) -> None:
    for _ in range(3):
        command = [sys.executable, "-c", _RACE.format(module=module)]
        found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert found.returncode == 0, found.stderr[-2000:]
        assert int(found.stdout) >= least


def test_there_is_no_type_of_the_server_that_cannot_be_made_known() -> None:
    """One that msgspec cannot decode would be met first by whatever threads met it first."""
    told = (
        "import msgspec, twokey.wiring\nfrom twokey.engine.settling import _all_below, settle_types\n"
        "ours = [each for each in _all_below(msgspec.Struct) if each.__module__.startswith('twokey.')]\n"
        "print(len(ours) - settle_types())"
    )
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.strip() == "0"
