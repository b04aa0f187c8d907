import { describe, expect, test } from '@jest/globals';
import { InputError } from '../../../../shared/engine/errors.ts';
import { parseRateSetting } from '../../../../shared/engine/rate/rate-setting.ts';

const limits = { deployed: 20, minimumPerSecond: 0.5, autoMostPerSecond: 20 };

describe('control/rate.json', () => {
  test.each([
    ['{"requestsPerSecond": 5}', { requestsPerSecond: 5, paused: false }],
    ['{"requestsPerSecond": 0.5}', { requestsPerSecond: 0.5, paused: false }],
    ['{"requestsPerSecond": 0}', { paused: true }],
    ['{"paused": true}', { paused: true }],
    ['{"requestsPerSecond": 5, "paused": true}', { requestsPerSecond: 5, paused: true }],
    ['{}', { paused: false }],
    ['\uFEFF{"paused": true}', { paused: true }],
    ['\uFEFF{"requestsPerSecond": 5}\r\n', { requestsPerSecond: 5, paused: false }],
  ])('%s is understood', (body, expected) => expect(parseRateSetting(body, limits)).toEqual(expected));

  test.each([
    ['', 'it is not JSON'],
    ['5', 'it must be an object'],
    ['[5]', 'it must be an object'],
    ['null', 'it must be an object'],
    ['{"requestsPerSecond": "5"}', 'requestsPerSecond must be a number, 0 to pause'],
    ['{"requestsPerSecond": -1}', 'requestsPerSecond must be a number, 0 to pause'],
    ['{"requestsPerSecond": 0.4}', 'requestsPerSecond must be at least 0.5'],
    ['{"rate": 5}', 'rate is not known; allowed are requestsPerSecond and paused'],
    ['{"paused": "yes"}', 'paused must be true or false'],
  ])('%s is refused, saying what is allowed', (body, message) => {
    expect(() => parseRateSetting(body, limits)).toThrow(InputError);
    expect(() => parseRateSetting(body, limits)).toThrow(message);
  });

  test('lists every mistake', () => {
    expect(() => parseRateSetting('{"rate": 5, "paused": 1, "requestsPerSecond": null}', limits)).toThrow(
      /rate is not known.*paused must be.*requestsPerSecond must be/,
    );
  });

  test('can pause a deployment without a rate, but not give it one', () => {
    const unlimited = { deployed: 'unlimited', minimumPerSecond: 0, autoMostPerSecond: 20 } as const;
    expect(parseRateSetting('{"paused": true}', unlimited)).toEqual({ paused: true });
    expect(() => parseRateSetting('{"requestsPerSecond": 5}', unlimited)).toThrow('--param rate=NUMBER');
  });
});
