/** Fields that people and schedules ask functions with, each with the words for what is allowed. */
import * as v from 'valibot';
import { chain } from '../engine/chain/chain.ts';
import { isRunName } from '../engine/chain/keys.ts';

const levels = chain.map(({ level }) => level);

export const levelField = v.optional(v.picklist(levels, `must be one of ${levels.join(', ')}`));

const runName = 'must be the name of a run, e.g. "2026-11-20"';
export const runField = v.optional(v.pipe(v.string(runName), v.check(isRunName, runName)));

const trueOrFalse = 'must be true or false';
export const flagField = v.optional(v.boolean(trueOrFalse));

const aboveZero = 'must be a number above 0';
export const rateField = v.optional(v.pipe(v.number(aboveZero), v.finite(aboveZero), v.gtValue(0, aboveZero)));

const fromOne = 'must be a whole number from 1';
export const limitField = v.optional(v.pipe(v.number(fromOne), v.safeInteger(fromOne), v.minValue(1, fromOne)));

const fromZero = 'must be a number of seconds from 0';
export const secondsField = v.optional(v.pipe(v.number(fromZero), v.finite(fromZero), v.minValue(0, fromZero)));
