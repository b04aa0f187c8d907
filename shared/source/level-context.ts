/** What a level's calls have in common: the client, the answer rules, and what is sent with all of them. */
import type { ApiCall } from './api-client.ts';
import type { AnswerRule } from './declaration.ts';
import type { CommonFields } from './request.ts';

export type LevelContext = { call: ApiCall; rules: readonly AnswerRule[]; common: CommonFields; maxPages: number };
