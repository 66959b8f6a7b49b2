/**
 * The shapes of the JSON API, written from `twokey/surfaces/http_api/models.py` by `checks/api_types.py`.
 * Times are RFC 3339 in UTC.
 */

/** An RFC 3339 time in UTC. */
export type Timestamp = string;
/** A calendar day, `2026-11-29`. */
export type Day = string;
