/** Hermes, the API whose tree is fetched: its four questions. Ids go into the query: in a path, `..` would be normalised away. */
import type { Page } from '../../shared/engine/ports.ts';
import { createPagedApi, type PagedApiOptions } from '../../shared/source/paged-api.ts';

export type Hermes = {
  troops(): AsyncIterable<Page>;
  warriors(troopId: string): AsyncIterable<Page>;
  dataGroups(troopId: string, warriorId: string): AsyncIterable<Page>;
  /** @returns the data as JSON text, untouched */
  data(troopId: string, warriorId: string, groupId: string): Promise<string>;
};

export type HermesOptions = PagedApiOptions;

/** The errors are those of `PagedApi` and `ApiCall`. */
export function createHermes(options: HermesOptions): Hermes {
  const api = createPagedApi(options);
  return {
    troops: () => api.pages('troops'),
    warriors: (troop) => api.pages('warriors', { troop }),
    dataGroups: (troop, warrior) => api.pages('data-groups', { troop, warrior }),
    data: (troop, warrior, group) => api.result('data', { troop, warrior, group }),
  };
}
