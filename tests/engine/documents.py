"""A document that most tests start from, and makers of small parts."""

from typing import Any

DOCUMENT: dict[str, Any] = {
    "format": "twokey/1",
    "project": "support",
    "environment": "production",
    "revision": 18,
    "segments": [
        {
            "key": "internal-staff",
            "included": ["u-1"],
            "rules": [
                {"clauses": [{"attribute": "email", "operator": "ends_with", "values": ["@example.com"]}]},
            ],
        }
    ],
    "flags": [
        {
            "key": "support_assistant",
            "type": "boolean",
            "enabled": True,
            "variations": [{"key": "on", "value": True}, {"key": "off", "value": False}],
            "baseline": "off",
            "otherwise": {"variation": "on"},
        },
        {
            "key": "answer_profile",
            "type": "string",
            "enabled": True,
            "variations": [{"key": "baseline", "value": "baseline"}, {"key": "reranker", "value": "reranker"}],
            "baseline": "baseline",
            "unit": "conversation",
            "salt": "answer_profile",
            "bucketing": "twokey-1",
            "client_visible": False,
            "revision": 18,
            "prerequisites": [{"flag": "support_assistant", "variations": ["on"]}],
            "targets": [{"variation": "reranker", "units": ["c-7"]}],
            "rules": [
                {
                    "id": "internal",
                    "clauses": [{"attribute": "targetingKey", "operator": "in_segment", "values": ["internal-staff"]}],
                    "serve": {"variation": "reranker"},
                },
                {
                    "id": "pro-10",
                    "clauses": [{"attribute": "plan", "operator": "in", "values": ["pro", "enterprise"]}],
                    "serve": {"rollout": {"weights": [["reranker", 10_000], ["baseline", 90_000]]}},
                },
            ],
            "otherwise": {"variation": "baseline"},
        },
    ],
}


def other(key: str, *prerequisites: str, kind: str = "string") -> dict[str, Any]:
    return {
        "key": key,
        "type": kind,
        "enabled": True,
        "variations": [{"key": "a", "value": "a"}],
        "baseline": "a",
        "otherwise": {"variation": "a"},
        "prerequisites": [{"flag": one, "variations": ["a"]} for one in prerequisites],
    }


def clause(operator: str, *values: Any) -> dict[str, Any]:
    return {"attribute": "x", "operator": operator, "values": list(values)}
