"""What a change of state does to what contexts get, computed by comparing both states."""

from twokey.domain.operation.effects.report import Effect, EffectReport, FlagEffect

__all__ = ["Effect", "EffectReport", "FlagEffect"]
