/** Times in words: relative for the eye, exact for the record. Pure; `now` is an argument. */

const UNITS: readonly [seconds: number, name: string][] = [
  [86400 * 365, 'y'],
  [86400 * 30, 'mo'],
  [86400, 'd'],
  [3600, 'h'],
  [60, 'min'],
];

/** A length of time in one unit: `41 min`, `3 h`, `2 d`. */
export function span(milliseconds: number): string {
  const seconds = Math.floor(Math.abs(milliseconds) / 1000);
  for (const [length, name] of UNITS) {
    if (seconds >= length) return `${Math.floor(seconds / length)} ${name}`;
  }
  return `${seconds} s`;
}

/** `just now`, `4 min ago`, `in 3 h`. */
export function relative(at: string, now: number): string {
  const difference = Date.parse(at) - now;
  if (Number.isNaN(difference)) return at;
  if (Math.abs(difference) < 5000) return 'just now';
  return difference < 0 ? `${span(difference)} ago` : `in ${span(difference)}`;
}

/** What is left until a moment, to the second in the last hour: `3 h 41 min`, `41 min`, `9:05`. */
export function countdown(until: string, now: number): string {
  const seconds = Math.floor((Date.parse(until) - now) / 1000);
  if (Number.isNaN(seconds) || seconds <= 0) return '';
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  if (hours >= 48) return `${Math.floor(hours / 24)} d`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  if (minutes >= 10) return `${minutes} min`;
  return `${minutes}:${String(seconds % 60).padStart(2, '0')}`;
}

/** The exact moment in the reader's zone and in UTC, for a tooltip. */
export function exact(at: string): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return at;
  const local = date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'long' });
  return `${local} · ${date
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, ' UTC')}`;
}

/** `14:32`, and with the day where it is another one than today. */
export function clockTime(at: string, now: number): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return at;
  const time = date.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  if (date.toDateString() === new Date(now).toDateString()) return time;
  return `${date.toLocaleDateString(undefined, { day: 'numeric', month: 'short' })} ${time}`;
}

/** `07:58 to 08:06`, and `Nov 22 07:58 to today 08:06` where it began on another day. */
export function period(since: string, until: string, now: number): string {
  const [from, to] = [clockTime(since, now), clockTime(until, now)];
  const today = new Date(now).toDateString();
  const endsToday = new Date(until).toDateString() === today && new Date(since).toDateString() !== today;
  return `${from} to ${endsToday ? 'today ' : ''}${to}`;
}

/** A calendar day in words, without shifting it by the reader's zone. */
export function day(value: string): string {
  const [year, month, date] = value.split('-').map(Number);
  if (!year || !month || !date) return value;
  const moment = new Date(Date.UTC(year, month - 1, date));
  return moment.toLocaleDateString(undefined, { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' });
}

/** The day `days` from now as an input of type date wants it. */
export function dayFromNow(days: number, now: number): string {
  return new Date(now + days * 86_400_000).toISOString().slice(0, 10);
}
