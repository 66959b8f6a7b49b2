"""From policy text to policies that may be asked.

Rules kept here:
- every policy parses alone, fits the schema and has an `@id` of its own; Cedar accepts a text without any;
- no policies at all is refused for the shipped set: Cedar accepts it, and then nothing is forbidden either;
- a fact that is compared with a word it never has is refused, so that a slip does not switch a policy off;
- a template is refused: it decides nothing, and whoever reads it believes otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

import cedarpy
import msgspec
from cedarpy import pst

from twokey.adapters.cedar.statements import Statement, statements
from twokey.adapters.cedar.vocabulary import WORDS, places, unknown_words
from twokey.domain.permission import Written
from twokey.engine.errors import Invalid

CHAPTERS = ("reading", "drafting", "approving", "applying", "going-back", "governing", "limits")
"""The files of the shipped policies, in the order in which they are read."""
_ID = re.compile(r"[a-z0-9][a-z0-9_.-]{0,99}", re.ASCII)
_NAMED = 'an `@id("...")` of small letters, digits, `-`, `_` and `.`'
_WRITTEN = "a Cedar policy, as docs/guides/policy.md shows"


class Shipped(msgspec.Struct, frozen=True, kw_only=True):
    """What comes with Twokey: the schema, and the text of its policies."""

    schema: str
    policies: str


@cache
def shipped() -> Shipped:
    """The package's own files."""
    folder = files("twokey.adapters.cedar")
    return Shipped(
        schema=(folder / "schema.cedarschema").read_text("utf-8"),
        policies="\n".join((folder / "shipped" / f"{name}.cedar").read_text("utf-8") for name in CHAPTERS),
    )


def read_policies(
    text: str, schema: cedarpy.Schema, *, taken: frozenset[str] = frozenset(), ships: bool = False
) -> tuple[Written, ...]:
    """The policies of a text, checked. Raises Invalid with the first that is not in order, and its place.

    `taken` are the ids that others have.
    """
    found: dict[str, Written] = {}
    for each in statements(text):
        policy = _read(each, schema, ships=ships)
        if policy.id in taken:
            raise Invalid(each.place, f"`{policy.id}` is the id of a shipped policy, which stays", "an id of your own")
        if policy.id in found:
            raise Invalid(each.place, f"the id `{policy.id}` is there twice", "one id for one policy")
        found[policy.id] = policy
    if ships and not found:
        raise Invalid("policies", "there is none", "at least one: with none, nothing is forbidden either")
    return tuple(found.values())


def _read(statement: Statement, schema: cedarpy.Schema, *, ships: bool) -> Written:
    parsed = _parsed(statement)
    name = parsed.annotations.get("id", "")
    if not name:
        raise Invalid(statement.place, "this policy has no `@id`", _NAMED)
    if not _ID.fullmatch(name):
        raise Invalid(statement.place, f"`{name}` is no id", _NAMED)
    _check_fits(statement, name, schema)
    _check_words(statement, name, parsed)
    return Written(id=name, effect=parsed.effect, says=statement.says, text=statement.text, shipped=ships)


def _parsed(statement: Statement) -> pst.Template:
    """The one policy that a statement holds."""
    try:
        found = cedarpy.policies_to_pst(statement.text)
    except ValueError as error:
        raise Invalid(statement.place, f"Cedar does not read this: {error}", _WRITTEN) from None
    if found.templates:
        problem = "this is a template, which decides nothing until something is put in for its `?`"
        raise Invalid(statement.place, problem, "a policy without `?principal` and `?resource`")
    if len(found.static_policies) != 1:
        raise Invalid(statement.place, f"holds {len(found.static_policies)} policies", "one before each `;`")
    return next(iter(found.static_policies.values()))


def _check_fits(statement: Statement, name: str, schema: cedarpy.Schema) -> None:
    result = cedarpy.validate_policies(statement.text, schema)
    if not result.validation_passed:
        # One slip is found again for every action and kind of actor that the policy speaks of.
        said = [re.sub(r"^for policy `policy0`, ", "", each.error) for each in result.errors]
        problem = "; ".join(dict.fromkeys(said[:3])) or "it does not fit the schema"
        raise Invalid(f"policy `{name}`, line {statement.line}", problem, _WRITTEN)


def _check_words(statement: Statement, name: str, parsed: pst.Template) -> None:
    for fact, word in unknown_words(parsed):
        known = ", ".join(sorted(f"`{each}`" for each in WORDS[fact] if each))
        raise Invalid(f"policy `{name}`, line {statement.line}", f"`context.{fact}` is never `{word}`", known)


def names_of(policies: cedarpy.PolicySet) -> Mapping[str, str]:
    """What Cedar calls each policy (`policy7`), and our id for it."""
    return {key: each.annotations["id"] for key, each in policies.to_pst().static_policies.items()}


def places_named(policies: Sequence[Written]) -> frozenset[tuple[str, str]]:
    """The projects and environments that these policies name."""
    return places(cedarpy.policies_to_pst("\n".join(each.text for each in policies)))
