import { describe, expect, it } from 'vitest';
import { clip, harmless, plain } from '../src/lib/plain';

describe('text that others wrote', () => {
  it.each([
    ['a direction override', 'safe\u202Egnp.exe', 'safe⟨U+202E⟩gnp.exe'],
    ['a zero-width space', 'pro\u200Bduction', 'pro⟨U+200B⟩duction'],
    ['tag characters', '\u{E0041}', '⟨U+E0041⟩'],
    ['a terminal escape', '\u001B[31m', '⟨U+001B⟩[31m'],
    ['a lone surrogate', 'a\uD800b', 'a⟨U+D800⟩b'],
    ['a blank letter', '\u3164', '⟨U+3164⟩'],
    ['a variation selector', 'a\uFE01', 'a⟨U+FE01⟩'],
    ['a line separator', 'a\u2028b', 'a⟨U+2028⟩b'],
    ['a private-use character', '\uE000', '⟨U+E000⟩'],
  ])('shows %s instead of obeying it', (_, hostile, shown) => {
    expect(plain(hostile)).toBe(shown);
  });

  it('keeps what people write: lines, tabs, accents, other scripts', () => {
    const text = 'Zoë\n\tслово 漢字 हिन्दी 🎉 “quoted”';
    expect(plain(text)).toBe(text);
  });

  it('stops marks from piling up over the lines around', () => {
    expect(plain(`a${'\u0301'.repeat(6)}`)).toBe(`a${'\u0301'.repeat(4)}⟨U+0301⟩⟨U+0301⟩`);
  });

  it('is applied to every text of an answer, keys included, but for what is edited as it came', () => {
    const answer = { 'k\u200B': ['\u202E'], operations: [{ units: ['\u202E'] }], n: 1, none: null };
    expect(harmless(answer, new Set(['operations']))).toEqual({
      'k⟨U+200B⟩': ['⟨U+202E⟩'],
      operations: [{ units: ['\u202E'] }],
      n: 1,
      none: null,
    });
  });

  it('is cut by characters, not in the middle of one', () => {
    expect(clip('🎉🎉🎉', 2)).toBe('🎉…');
    expect(clip('short', 9)).toBe('short');
  });
});
