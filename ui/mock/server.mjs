/**
 * The API as the pages see it, with made-up data, and the built pages under the same strict policy as the real server.
 * For development and for looking at the pages: `npm run build && npm run mock`, then sign in as `mara` or `ines` with
 * the password that is printed. Listens on 127.0.0.1 alone. `--empty` starts with nothing, `--port N` moves it.
 */

import { existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as data from './data.mjs';
import * as moves from './state.mjs';

const { policies: POLICIES, matrix: MATRIX } = JSON.parse(
  readFileSync(new URL('policy.json', import.meta.url), 'utf8'),
);

const ROOM = fileURLToPath(new URL('../../src/twokey/surfaces/control_room', import.meta.url));
const POLICY =
  "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; " +
  "base-uri 'none'; form-action 'self'; object-src 'none'; require-trusted-types-for 'script'";
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};
const flagOf = (name) => process.argv.includes(`--${name}`);
const PORT = Number(process.argv[process.argv.indexOf('--port') + 1]) || 8199;

let state = moves.fresh(flagOf('empty'));
const watchers = new Set();

const problem = (status, kind, title, detail, more = {}) => ({
  status,
  body: { type: `urn:twokey:problem:${kind}`, title, status, detail, ...more },
});
const ok = (body, status = 200) => ({ status, body });
const PROOF = problem(403, 'refused', 'Refused', 'the password does not fit: fresh proof is needed for this digest');
const proven = (body) => body.password === data.PASSWORD;
const session = () => ({ ...state.signedIn, csrf: 'csrf-1', proofs: ['password'], expires_at: data.ahead(420) });
const place = '/projects/support/environments/production';
const notFound = (what) => problem(404, 'not-found', 'Not found', `there is no ${what}`);

const withProposal = (id, then) => {
  const found = state.proposals.find((each) => each.id === id);
  return found ? then(found) : notFound(`proposal \`${id}\``);
};

const deciding = (id, body, then) =>
  withProposal(id, (found) => {
    if (!proven(body)) return PROOF;
    if (body.digest && body.digest !== found.digest)
      return problem(409, 'conflict', 'What you relied on has moved', 'the proposal has another digest now', {
        remedy: 'read it anew, then decide',
      });
    then(found);
    return ok(moves.view(state, found));
  });

function edited(old, body) {
  old.status = 'superseded';
  const next = structuredClone({
    ...old,
    ...(body.operations && { operations: body.operations }),
    ...(body.reason && { reason: body.reason }),
    ...(body.apply && { apply: body.apply }),
    apply_at: body.apply_at ?? null,
  });
  Object.assign(next, {
    id: 'prop-9e8d7c6b5a4f',
    status: 'pending',
    supersedes: old.id,
    author: state.signedIn.username,
    author_kind: 'person',
    digest: data.sha(JSON.stringify(body)),
    approved: 0,
    created_at: data.ago(0),
  });
  next.keys = next.keys.map((each) => ({ ...each, status: 'waiting', person: null, name: null, at: null }));
  state.proposals.unshift(next);
  moves.record(state, 'proposal.edit', next.id, { title: next.title });
  return ok(moves.view(state, next), 201);
}

const ROUTES = [
  ['GET', /^\/session$/, () => ok(session())],
  ['DELETE', /^\/session$/, () => ((state.signedIn = null), ok(null, 204))],
  [
    'GET',
    /^\/environments$/,
    () =>
      ok(
        state.empty
          ? []
          : [
              {
                project: 'support',
                key: 'production',
                revision: state.change ? 19 : 18,
                guarded: true,
                approvers: ['release_manager'],
                flags: 4,
                open_cases: 2,
              },
              {
                project: 'support',
                key: 'staging',
                revision: 4,
                guarded: false,
                approvers: [],
                flags: 0,
                open_cases: 0,
              },
            ],
      ),
  ],
  [
    'GET',
    /^\/cases$/,
    () =>
      ok(
        state.empty
          ? []
          : [
              moves.hostileRow(),
              moves.caseRow(state),
              {
                ...moves.caseRow(state),
                id: 'case-old',
                title: 'Checkout error budget burn',
                severity: 'warning',
                status: 'closed',
                waiting_for: '',
                firing: 0,
                owner: 'checkout',
                opened_at: data.ago(60 * 24 * 6),
                updated_at: data.ago(60 * 24 * 5),
                flag: 'checkout_flow',
              },
            ],
      ),
  ],
  ['GET', /^\/cases\/case-0h0s0t0i0l0e$/, () => ok(moves.hostileCase())],
  ['GET', /^\/cases\/case-3n6p0r4t8v2w$/, () => ok(moves.caseView(state))],
  ['GET', /^\/cases\/case-0h0s0t0i0l0e\/series$/, () => ok([])],
  ['GET', /^\/cases\/[^/]+\/series$/, () => ok(data.series(state.change && Date.parse(state.change.applied_at)))],
  ['GET', /^\/cases\/[^/]+\/record$/, () => ok({ decision: state.closed })],
  [
    'POST',
    /^\/cases\/[^/]+\/notes$/,
    (_, body) => (
      state.notes.push({ at: data.ago(0), author: state.signedIn.username, text: body.text }),
      moves.record(state, 'case.note', 'case-3n6p0r4t8v2w', { text: body.text }),
      ok(state.notes.at(-1), 201)
    ),
  ],
  [
    'POST',
    /^\/cases\/[^/]+\/owner$/,
    (_, body) => (
      (state.owner = body.owner),
      moves.record(state, 'case.own', 'case-3n6p0r4t8v2w', { owner: body.owner }),
      ok(moves.caseRow(state))
    ),
  ],
  ['POST', /^\/cases\/[^/]+\/check$/, () => ok(data.checkBefore)],
  [
    'POST',
    /^\/cases\/[^/]+\/close$/,
    (_, body) => (
      (state.closed = { ...body, decided_by: state.signedIn.username, decided_at: data.ago(0) }),
      moves.record(state, 'case.close', 'case-3n6p0r4t8v2w', { choice: body.choice }),
      ok(state.closed)
    ),
  ],
  ['GET', /^\/proposals$/, () => ok(state.proposals.map((each) => moves.view(state, each)))],
  ['GET', /^\/proposals\/([^/]+)$/, ([id]) => withProposal(id, (found) => ok(moves.view(state, found)))],
  [
    'POST',
    /^\/proposals\/([^/]+)\/approve$/,
    ([id], body) => deciding(id, body, (found) => moves.approve(state, found)),
  ],
  [
    'POST',
    /^\/proposals\/([^/]+)\/reject$/,
    ([id], body) =>
      deciding(
        id,
        body,
        (found) => ((found.status = 'rejected'), moves.record(state, 'proposal.reject', id, { note: body.note })),
      ),
  ],
  [
    'POST',
    /^\/proposals\/([^/]+)\/edit$/,
    ([id], body) =>
      withProposal(id, (found) =>
        body.operations?.[0]?.op === 'grant'
          ? problem(422, 'invalid', 'The input is not valid', 'operations[0].op: `grant` is no operation', {
              field: 'operations[0].op',
              accepted: 'set_weights, set_enabled, set_otherwise, …',
            })
          : edited(found, body),
      ),
  ],
  ['GET', /^\/policy$/, () => ok(POLICIES)],
  ['GET', /^\/policy\/matrix$/, () => ok(MATRIX)],
  [
    'GET',
    /^\/changes\/[^/]+\/reach$/,
    () =>
      ok([
        {
          flag: 'support_answer_profile',
          since: data.ago(25),
          until: data.ago(0),
          predicted_units: 4812,
          observed_units: 1630,
          variations: [
            { variation: 'baseline', predicted: 0.9956, observed: 0.996, differs: false },
            { variation: 'reranker_v2', predicted: 0.0044, observed: 0.004, differs: false },
          ],
          sentence: 'as predicted, on 1,630 units since and 4,812 replayed',
        },
      ]),
  ],
  ['GET', /^\/changes\/[^/]+$/, () => (state.change ? ok(state.change) : notFound('change'))],
  [
    'POST',
    /^\/changes\/[^/]+\/reverse$/,
    (_, body) =>
      !proven(body)
        ? PROOF
        : body.way === 'rollback'
          ? ((state.change.may_reverse = false),
            ok({ change: 'chg-6', proposal: null, sentence: 'Rolled back: everyone in reach gets the baseline' }))
          : ok({
              change: null,
              proposal: state.proposals[0].id,
              sentence: 'Undoing widens exposure: a proposal now waits for its own keys',
            }),
  ],
  ['GET', new RegExp(`^${place}/flags$`), () => ok(data.flagRows)],
  ['GET', /^\/projects\/support\/environments\/staging\/flags$/, () => ok([])],
  [
    'GET',
    new RegExp(`^${place}/flags/([^/]+)$`),
    ([key]) =>
      data.flagRows.some((each) => each.key === key)
        ? ok(data.flagView(data.flagRows.find((each) => each.key === key)))
        : notFound(`flag \`${key}\``),
  ],
  [
    'GET',
    new RegExp(`^${place}/flags/[^/]+/series$`),
    (_, __, query) =>
      ok(
        data
          .series(state.change && Date.parse(state.change.applied_at))
          .find((each) => each.guardrail === query.get('guardrail')),
      ),
  ],
  ['GET', new RegExp(`^${place}/flags/[^/]+/insights$`), () => ok([])],
  [
    'GET',
    new RegExp(`^${place}/flags/([^/]+)/experiments$`),
    ([key]) => ok(key === data.FLAG ? data.experiments() : []),
  ],
  ['POST', new RegExp(`^${place}/flags/[^/]+/explain$`), () => ok(data.explanation)],
  ['GET', /^\/audit$/, (_, __, query) => ok(audit(query))],
  [
    'GET',
    /^\/audit\/verify$/,
    () =>
      ok({
        ok: true,
        entries: state.entries.length,
        head: state.entries.at(-1)?.hash ?? data.sha('0'),
        broken_at: null,
        problem: '',
      }),
  ],
];

ROUTES.push(
  ['GET', /^\/reviews$/, () => ok([])],
  ['GET', /^\/rollouts$/, (_, __, query) => ok(query.get('flag') === 'support_answer_profile' ? [data.rollout] : [])],
  ['GET', /^\/access$/, () => ok(state.empty ? { ...data.access, environments: [], orders: [] } : data.access)],
  ['GET', /^\/access\/proposals$/, () => ok(state.empty ? [] : data.accessProposals)],
  [
    'GET',
    /^\/proposals\/([^/]+)\/gate$/,
    ([id], _, query) =>
      withProposal(id, (found) => {
        const people = query.getAll('approves');
        const turned = (key) => people.includes(`role:${key.role}`) || key.status === 'approved';
        const keys = found.keys.map((key) => (turned(key) ? { ...key, status: 'approved', person: 'they' } : key));
        return ok({ people, gate: moves.view(state, { ...found, keys }).gate });
      }),
  ],
  [
    'GET',
    /^\/account$/,
    () =>
      ok({
        username: state.signedIn.username,
        has_password: true,
        provider: false,
        totp: false,
        passkeys: [{ id: 'key-1', name: 'laptop', site: 'localhost', created_at: data.ago(9000) }],
        recovery_codes: 10,
      }),
  ],
  [
    'GET',
    /^\/sessions$/,
    () =>
      ok([
        {
          id: 'session-1',
          label: 'Firefox on Linux',
          created_at: data.ago(60),
          last_seen: data.ago(0),
          expires_at: data.ahead(600),
          this: true,
        },
      ]),
  ],
);

function audit(query) {
  const of = query.get('case');
  const kept = state.entries.filter(
    (each) => each.index >= Number(query.get('start') ?? 0) && (!of || each.case === of),
  );
  if (query.get('newest_first')) kept.reverse();
  return kept.slice(0, Number(query.get('limit') ?? 100));
}

function answer(method, path, body, query) {
  if (path === '/session/ways') return ok({ provider: 'Example' });
  if (method === 'POST' && path === '/session') {
    const person = data.people[body.username];
    if (!person || body.password !== data.PASSWORD)
      return problem(401, 'unauthenticated', 'Not signed in', 'username or password is wrong');
    state.signedIn = person;
    return ok(session());
  }
  if (method === 'POST' && path === '/reset') return ((state = moves.fresh(flagOf('empty'))), ok(null, 204));
  if (!state.signedIn) return problem(401, 'unauthenticated', 'Not signed in', 'sign in, or send a bearer token');
  for (const [verb, shape, respond] of ROUTES) {
    const found = verb === method && shape.exec(path);
    if (found) return respond(found.slice(1).map(decodeURIComponent), body, query);
  }
  return notFound(`address \`${path}\``);
}

function stream(response) {
  if (!state.signedIn) return response.writeHead(401).end();
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  const tell = () =>
    response.write(
      `event: changed\ndata: ${JSON.stringify({ tick: state.tick, entry: state.entries.length - 1 })}\n\n`,
    );
  tell();
  watchers.add(tell);
  response.on('close', () => watchers.delete(tell));
}

function file(path, response) {
  const wanted = join(ROOM, normalize(path));
  const found =
    wanted.startsWith(ROOM) && existsSync(wanted) && statSync(wanted).isFile() ? wanted : join(ROOM, 'index.html');
  response.writeHead(200, {
    'Content-Type': TYPES[extname(found)] ?? 'application/octet-stream',
    'Content-Security-Policy': POLICY,
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(readFileSync(found));
}

createServer(async (request, response) => {
  const url = new URL(request.url, 'http://127.0.0.1');
  if (!url.pathname.startsWith('/api/v1')) return file(url.pathname, response);
  const path = url.pathname.slice('/api/v1'.length);
  if (path === '/events') return stream(response);
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = chunks.length ? JSON.parse(Buffer.concat(chunks)) : {};
  const given = answer(request.method, path, body, url.searchParams);
  response.writeHead(given.status, {
    'Content-Type': given.status < 400 ? 'application/json' : 'application/problem+json',
    Connection: 'close',
  });
  response.end(given.status === 204 ? undefined : JSON.stringify(given.body));
  if (request.method !== 'GET') for (const tell of watchers) tell();
}).listen(PORT, '127.0.0.1', () =>
  console.log(`http://127.0.0.1:${PORT}  sign in as mara, ines or otto with "${data.PASSWORD}"`),
);
