"""One answer in use: what was assigned, and what the application really served.

```python
with client.exposure("support_answer_profile", {"conversation": "c-9", "plan": "pro"}, "baseline") as shown:
    try:
        answer = answer_with(profile=shown.value)
    except TimeoutError:
        answer = answer_with(profile="baseline")
        shown.served("baseline")
```

Rules this module keeps:

* Leaving the block records one exposure, dated when the flag was asked, so that what is measured inside joins it.
* Nothing said: what was assigned was served. `served(...)`: that variation was. An exception that leaves the block
  without a word: `FALLBACK`, whatever stands outside the block for an answer.
"""

from typing import Any

from twokey.client.recorder import Meeting, Recorder

FALLBACK = "(fallback)"
"""Stands for what is none of the flag's variations: the application's own way out. No variation can have this key."""


class Shown:
    """What the flag gave, until the application has used it."""

    def __init__(self, value: Any, variation: str | None, reason: str) -> None:
        self.value = value
        self.variation = variation
        self.reason = reason
        self._served: str | None = None

    def served(self, variation: str = FALLBACK) -> None:
        """Another variation than the assigned one was served; unnamed, none of the flag's. The last word counts."""
        self._served = variation

    def settle(self, recorder: Recorder, meeting: Meeting | None, *, failed: bool) -> None:
        """The block is left, by an exception or not: record what was served."""
        if meeting is None:
            return
        otherwise = FALLBACK if failed else str(meeting.resolution.variation)
        recorder.record(meeting, self._served or otherwise)
