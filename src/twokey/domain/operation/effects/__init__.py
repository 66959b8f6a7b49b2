"""What a change of state does to what contexts get, computed by comparing both states.

Four layers, each with one job: `conditions` (what follows from what), `knowledge` (one path), `possibilities` (all
paths of one flag), `comparison` (all flags, judged); `loosening` compares what is kept beside the flag.
Why so: docs/adr/0004-effect-is-decided-by-enumeration.md.
"""

from twokey.domain.operation.effects.comparison import Comparison, effect
from twokey.domain.operation.effects.report import Effect, EffectReport, FlagEffect

__all__ = ["Comparison", "Effect", "EffectReport", "FlagEffect", "effect"]
