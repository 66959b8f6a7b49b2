/** Every call that the pages make, by name. */

import { get, post, remove } from './client';
import type * as T from './types';

const part = encodeURIComponent;

function query(values: Record<string, string | number | boolean | undefined>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== '');
  return given.length ? `?${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}` : '';
}

const place = (project: string, environment: string) => `/projects/${part(project)}/environments/${part(environment)}`;

export const signIn = (body: T.SignIn) => post<T.SessionView | T.SecondNeeded>('/session', body);
export const secondStep = (body: Partial<T.Second> & { ticket: string }) =>
  post<T.SessionView>('/session/second', body);
export const ways = () => get<T.Ways>('/session/ways');
export const setOut = (after: string) => post<T.Address>('/session/elsewhere', { after });
export const setOutToBind = () => post<T.Address>('/account/elsewhere');
export const challenge = (about: string) => post<T.Question>('/session/challenge', { about });
export const giveProof = (body: Partial<T.Proven>) => post<null>('/session/proof', body);
export const sessions = (signal?: AbortSignal) => get<T.OpenSession[]>('/sessions', signal);
export const endSession = (id: string) => remove(`/sessions/${part(id)}`);
export const endOtherSessions = () => remove('/sessions');

export const account = (signal?: AbortSignal) => get<T.AccountView>('/account', signal);
export const changePassword = (body: T.NewPassword) => post<null>('/password', body);
export const beginTotp = () => post<T.TotpSecret>('/account/totp');
export const confirmTotp = (code: string) => post<T.RecoveryCodes>('/account/totp/confirm', { code });
export const removeTotp = () => remove('/account/totp');
export const wishPasskey = () => post<T.PasskeyWish>('/account/passkeys/wish');
export const addPasskey = (body: T.NewPasskey) => post<T.KeptPasskey>('/account/passkeys', body);
export const removePasskey = (id: string) => remove(`/account/passkeys/${part(id)}`);
export const renewRecoveryCodes = () => post<T.RecoveryCodes>('/account/recovery-codes');
export const showInvitation = (secret: string) => post<T.Invited>('/invitations/show', { secret });
export const acceptInvitation = (body: T.Accept) => post<null>('/invitations/accept', body);
export const whoAmI = () => get<T.SessionView>('/session');
export const signOut = () => remove('/session');

export const environments = (signal?: AbortSignal) => get<T.EnvironmentView[]>('/environments', signal);
export const flags = (project: string, environment: string, archived: boolean, signal?: AbortSignal) =>
  get<T.FlagRow[]>(`${place(project, environment)}/flags${query({ archived: archived || undefined })}`, signal);
export const flag = (project: string, environment: string, key: string, signal?: AbortSignal) =>
  get<T.FlagView>(`${place(project, environment)}/flags/${part(key)}`, signal);
export const flagSeries = (
  project: string,
  environment: string,
  key: string,
  guardrail: string,
  minutes: number,
  signal?: AbortSignal,
) =>
  get<T.SeriesView>(`${place(project, environment)}/flags/${part(key)}/series${query({ guardrail, minutes })}`, signal);
export const insights = (project: string, environment: string, key: string, minutes: number, signal?: AbortSignal) =>
  get<T.SeriesView[]>(`${place(project, environment)}/flags/${part(key)}/insights${query({ minutes })}`, signal);
export const explain = (project: string, environment: string, key: string, body: T.ExplainRequest) =>
  post<T.ExplainView>(`${place(project, environment)}/flags/${part(key)}/explain`, body);

export const cases = (status?: string, signal?: AbortSignal) =>
  get<T.CaseRow[]>(`/cases${query({ status, limit: 200 })}`, signal);
export const caseById = (id: string, signal?: AbortSignal) => get<T.CaseView>(`/cases/${part(id)}`, signal);
export const caseSeries = (id: string, minutes: number, signal?: AbortSignal) =>
  get<T.SeriesView[]>(`/cases/${part(id)}/series${query({ minutes })}`, signal);
export const addNote = (id: string, text: string) => post<T.NoteView>(`/cases/${part(id)}/notes`, { text });
export const setOwner = (id: string, owner: string) => post<T.CaseRow>(`/cases/${part(id)}/owner`, { owner });
export const checkNow = (id: string) => post<T.CheckView>(`/cases/${part(id)}/check`);
export const closeCase = (id: string, body: T.CloseCase) => post<T.DecisionView>(`/cases/${part(id)}/close`, body);
export const recordAddress = (id: string, format: 'json' | 'markdown') =>
  `/api/v1/cases/${part(id)}/record?format=${format}`;

export const proposals = (status?: string, signal?: AbortSignal) =>
  get<T.ProposalRow[]>(`/proposals${query({ status, limit: 200 })}`, signal);
export const proposal = (id: string, signal?: AbortSignal) => get<T.ProposalView>(`/proposals/${part(id)}`, signal);
export const documentAddress = (id: string) => `/api/v1/proposals/${part(id)}/document`;

const move = <Body>(id: string, verb: string, body: Body) =>
  post<T.ProposalView>(`/proposals/${part(id)}/${verb}`, body);
export const approve = (id: string, body: T.Approve) => move(id, 'approve', body);
export const reject = (id: string, body: T.Reject) => move(id, 'reject', body);
export const edit = (id: string, body: T.EditProposal) => move(id, 'edit', body);
export const apply = (id: string, body: T.Prove) => move(id, 'apply', body);
export const withdraw = (id: string) => move(id, 'withdraw', undefined);

export const changeReach = (id: string, signal?: AbortSignal) =>
  get<T.ReachView[]>(`/changes/${part(id)}/reach`, signal);
export const change = (id: string, signal?: AbortSignal) => get<T.ChangeView>(`/changes/${part(id)}`, signal);
export const reverse = (id: string, body: T.ReverseChange) =>
  post<T.ReverseResult>(`/changes/${part(id)}/reverse`, body);

export const chartPicture = (project: string, environment: string, flag: string, guardrail: string, minutes: number) =>
  `/api/v1/projects/${part(project)}/environments/${part(environment)}/flags/${part(flag)}/chart.png${query({ guardrail, minutes })}`;
export const experiments = (project: string, environment: string, flag: string, signal?: AbortSignal) =>
  get<T.ExperimentView[]>(
    `/projects/${part(project)}/environments/${part(environment)}/flags/${part(flag)}/experiments`,
    signal,
  );
export const rollouts = (project: string, environment: string, flag: string, signal?: AbortSignal) =>
  get<T.RolloutView[]>(`/rollouts${query({ project, environment, flag, limit: 20 })}`, signal);
export const pauseRollout = (id: string, body: T.PauseRollout) =>
  post<T.RolloutView>(`/rollouts/${part(id)}/pause`, body);
export const moveRollout = (id: string, verb: 'resume' | 'agree' | 'stop' | 'roll-back', body: T.MoveRollout) =>
  post<T.RolloutView>(`/rollouts/${part(id)}/${verb}`, body);

export const openReviews = (signal?: AbortSignal) => get<T.ReviewView[]>('/reviews?status=open', signal);
export const closeReview = (id: string, body: T.CloseReview) => post<T.ReviewView>(`/reviews/${part(id)}/close`, body);

export const policy = (signal?: AbortSignal) => get<T.PolicyView>('/policy', signal);
export const matrix = (project: string, environment: string, signal?: AbortSignal) =>
  get<T.MatrixView>(`/policy/matrix${query({ project, environment })}`, signal);

export const access = (signal?: AbortSignal) => get<T.AccessView>('/access', signal);
export const accessProposals = (signal?: AbortSignal) => get<T.AccessProposalView[]>('/access/proposals', signal);
export const proposeAccess = (body: T.NewAccessProposal) => post<T.AccessProposalView>('/access/proposals', body);
const answerAccess = <Body>(id: string, verb: string, body: Body) =>
  post<T.AccessProposalView>(`/access/proposals/${part(id)}/${verb}`, body);
export const approveAccess = (id: string, body: T.Approve) => answerAccess(id, 'approve', body);
export const rejectAccess = (id: string, body: T.Reject) => answerAccess(id, 'reject', body);
export const withdrawAccess = (id: string) => answerAccess(id, 'withdraw', undefined);
export const breakGlass = (body: T.BreakGlass) => post<T.ReviewView>('/break-glass', body);
export const suppose = (id: string, approves: string[], signal?: AbortSignal) =>
  get<T.SupposedGate>(
    `/proposals/${part(id)}/gate?${new URLSearchParams(approves.map((each) => ['approves', each]))}`,
    signal,
  );

export const AUDIT_EXPORT = '/api/v1/audit/export';
export const audit = (start: number, limit: number, of: string | undefined, newest: boolean, signal?: AbortSignal) =>
  get<T.EntryView[]>(`/audit${query({ start, limit, case: of, newest_first: newest || undefined })}`, signal);
export const verifyAudit = () => get<T.VerificationView>('/audit/verify');
