import { describe, expect, test } from '@jest/globals';
import { defaultOf, isParamValue, type ParamDeclaration } from '../../../../shared/engine/chain/params.ts';

describe('the value of a parameter', () => {
  test.each<[ParamDeclaration['type'], unknown, boolean]>([
    ['text', '', true],
    ['text', 5, false],
    ['number', 1.5, true],
    ['number', '1.5', false],
    ['number', NaN, false],
    ['number', Infinity, false],
    ['boolean', false, true],
    ['boolean', 'false', false],
    ['timestamp', '2026-11-20', true],
    ['timestamp', '2026-11-20T10:00Z', true],
    ['timestamp', '2026-11-20T10:00:00.123+02:00', true],
    ['timestamp', '2026-11-20T10:00:00', false],
    ['timestamp', '2026-13-45', false],
    ['timestamp', 'yesterday', false],
    ['timestamp', 'now-1h', false],
    ['timestamp', 1795168800, false],
    ['text', null, false],
  ])('of type %s may be %j: %s', (type, value, isAllowed) => expect(isParamValue({ type }, value)).toBe(isAllowed));
});

describe('a default', () => {
  const nowMs = Date.parse('2026-11-20T12:00:00Z');
  test.each([
    ['now', '2026-11-20T12:00:00.000Z'],
    ['now-90s', '2026-11-20T11:58:30.000Z'],
    ['now-15m', '2026-11-20T11:45:00.000Z'],
    ['now-1h', '2026-11-20T11:00:00.000Z'],
    ['now-7d', '2026-11-13T12:00:00.000Z'],
    ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z'],
  ])('of a timestamp, %s, is %s', (value, expected) => {
    expect(defaultOf({ type: 'timestamp', default: value }, nowMs)).toBe(expected);
  });

  test('of a text is what it says, even if it looks like a time; without one there is none', () => {
    expect(defaultOf({ type: 'text', default: 'now-1h' }, nowMs)).toBe('now-1h');
    expect(defaultOf({ type: 'number', default: 0 }, nowMs)).toBe(0);
    expect(defaultOf({ type: 'number' }, nowMs)).toBeUndefined();
  });
});
