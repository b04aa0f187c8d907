/** The elements of a list in an answer, each as the API wrote it, and their ids. */
import { ItemError } from '../engine/errors.ts';
import type { JsonText } from './api.ts';
import { textAt } from '../engine/json-text.ts';
import { elementTexts } from './element-texts.ts';
import { nameOfType, type Asked, type JsonAnswer } from './json-answer.ts';
import { showPath, stepsOf, valueAt, type JsonPath, type PathStep } from './json-path.ts';

export class JsonElement implements JsonText {
  readonly text: string;
  readonly value: unknown;
  readonly #call: string;
  readonly #path: readonly PathStep[];
  readonly #idSteps: readonly PathStep[];

  constructor(text: string, value: unknown, call: string, path: readonly PathStep[], idSteps: readonly PathStep[]) {
    this.text = text;
    this.value = value;
    this.#call = call;
    this.#path = path;
    this.#idSteps = idSteps;
  }

  id(path?: JsonPath): string {
    const steps = path === undefined ? this.#idSteps : stepsOf(path);
    const found = valueAt(this.value, steps);
    if (typeof found === 'string' && found !== '') return found;
    // Its own digits: a number beyond 2^53 would be another one, and 1.0 would be 1.
    if (typeof found === 'number') return textAt(this.text, steps) ?? String(found);
    const place = showPath([...this.#path, ...steps]);
    if (found === '')
      throw new ItemError('EMPTY_ID', `The answer to ${this.#call} has an element without an id: ${place} is "".`);
    const message = `The answer to ${this.#call} has the wrong shape: ${place}: expected a text or a number, got ${nameOfType(found)}.`;
    throw new ItemError('BAD_SHAPE', `${message} Set idPath to where an element's id is.`);
  }
}

/** @throws ItemError `BAD_SHAPE` when there is no list at the path */
export function readElements(
  { text, value }: JsonAnswer,
  items: readonly PathStep[],
  idSteps: readonly PathStep[],
  { call, mask }: Asked,
): JsonElement[] {
  const found = valueAt(value, items);
  if (!Array.isArray(found)) {
    const message = `The answer to ${call} has the wrong shape: ${showPath(items)}: expected a list, got ${nameOfType(found)}.`;
    throw new ItemError('BAD_SHAPE', `${message}${mask(adviceFor(value))}`);
  }
  const values = found as readonly unknown[];
  const texts = elementTexts(text, items);
  if (texts.length !== values.length)
    throw new Error(`The answer to ${call} was cut into ${texts.length} texts, but has ${values.length} elements.`);
  return texts.map((each, index) => new JsonElement(each, values[index], call, [...items, index], idSteps));
}

function adviceFor(value: unknown): string {
  if (Array.isArray(value)) return " The answer is a list itself: set items to '$'.";
  if (typeof value !== 'object' || value === null) return '';
  const lists = Object.entries(value).filter(([, each]) => Array.isArray(each));
  const names = lists.slice(0, 5).map(([name]) => (name.length > 40 ? `${name.slice(0, 40)}…` : name));
  return names.length === 0 ? '' : ` Lists are at: ${names.join(', ')}.`;
}
