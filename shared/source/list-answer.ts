/** One answer of a list: its elements where the source says that they are, each with what tells it from another. */
import type { Received } from './api-client.ts';
import { readElements, type JsonElement } from './elements.ts';
import { readJson } from './json-answer.ts';
import { stepsOf, type JsonPath } from './json-path.ts';
import type { ListPage } from './list-pages.ts';

export type ListPlace = {
  /** Where the list is. Default `$`. */
  items?: JsonPath | undefined;
  /** Where an element's id is. Default `id`. */
  idPath?: JsonPath | undefined;
};

/** @param markOf what an element is known by on the next page */
export function listReader(
  { items = '$', idPath = 'id' }: ListPlace,
  markOf: (element: JsonElement) => string,
): (received: Received) => ListPage | undefined {
  const [itemSteps, idSteps] = [stepsOf(items), stepsOf(idPath)];
  return (received) => {
    if (received.isNothing) return undefined;
    const answer = readJson(received.reply, received);
    const elements = readElements(answer, itemSteps, idSteps, received);
    const { headers } = received.reply;
    return { ...received, ...answer, headers, elements: elements.map((element) => ({ id: markOf(element), element })) };
  };
}
