"""The engine's one exception.

Evaluation never raises: what goes wrong there is a value (`Resolution.error`). Only *reading or writing* a flag
document can fail, and it fails with `Invalid`, which tells a person where, what, and what would have been accepted.
"""


class Invalid(ValueError):
    """Input was refused.

    `field` is where (`flag checkout, rule pro-10, clause 1: operator`), `problem` what was wrong with the
    offending input in backticks, and `accepted` what would have been taken.
    """

    def __init__(self, field: str, problem: str, accepted: str) -> None:
        self.field = field
        self.problem = problem
        self.accepted = accepted
        super().__init__(f"{field}: {problem}; accepted: {accepted}")

    def under(self, place: str) -> "Invalid":
        """The same refusal seen from the object that holds the field: `flag checkout` + `rule r: id`."""
        nested = ": " in self.field
        return Invalid(f"{place}, {self.field}" if nested else f"{place}: {self.field}", self.problem, self.accepted)

    def __reduce__(self) -> tuple[type["Invalid"], tuple[str, str, str]]:
        return type(self), (self.field, self.problem, self.accepted)
