/**
 * A Docker registry: a catalogue with `Link` headers, ids with slashes, tags as bare strings, and manifests that want an Accept
 * header of their own. What a person writes for it is the chain below.
 */
import { afterEach, expect, test } from '@jest/globals';
import { defineChain, headerLink, list, result } from '../../../shared/source/define.ts';
import { childrenOf, fetchOf, resultOf, serve, stopServers, type Asked, type Reply } from './server.ts';

const registry = defineChain({
  levels: [
    list('repositories', {
      id: 'repository',
      path: 'v2/_catalog',
      query: { n: 2 },
      items: 'repositories',
      idPath: '$',
      next: headerLink(),
    }),
    list('tags', {
      id: 'tag',
      path: 'v2/{+repository}/tags/list',
      items: 'tags',
      idPath: '$',
      next: headerLink(),
      answers: [
        { status: 404, then: 'ignore' },
        { body: { path: 'tags', equals: null }, then: 'ignore' },
      ],
    }),
    result('manifests', {
      path: 'v2/{+repository}/manifests/{tag}',
      headers: { Accept: 'application/vnd.oci.image.index.v1+json' },
      contentType: 'application/vnd.oci.image.index.v1+json',
    }),
  ],
});

afterEach(stopServers);

const tagsOf: Readonly<Record<string, readonly string[] | null>> = {
  alpine: ['3.20', 'latest'],
  'library/ubuntu': ['24.04'],
  'team/a/b': null,
  zsh: [],
};

function answer({ path, query, headers }: Asked): Reply {
  const names = Object.keys(tagsOf);
  if (path === '/v2/_catalog') {
    const from = query['last'] === undefined ? 0 : names.indexOf(query['last']) + 1;
    const page = names.slice(from, from + 2);
    const link = `</v2/_catalog?n=2&last=${encodeURIComponent(page.at(-1) ?? '')}>; rel="next"`;
    return { headers: from + 2 < names.length ? { link } : {}, body: { repositories: page } };
  }
  const [, repository = '', kind, tag] = /^\/v2\/(.+)\/(tags|manifests)\/(.+)$/.exec(path) ?? [];
  if (kind === 'tags' && repository in tagsOf) return { body: { name: repository, tags: tagsOf[repository] } };
  if (kind !== 'manifests' || headers.accept !== 'application/vnd.oci.image.index.v1+json') return { status: 404 };
  return { body: `{ "schemaVersion" : 2.0, "of": "${repository}:${tag ?? ''}" }` };
}

test('a registry’s whole tree is fetched by a chain of three levels', async () => {
  const { url, asked } = await serve(answer);
  const [repositories, tags, manifests] = ['repositories', 'tags', 'manifests'].map((name) =>
    fetchOf(registry, name, url),
  );
  if (repositories === undefined || tags === undefined || manifests === undefined)
    throw new Error('A level is missing.');
  const found: unknown[] = [];
  for (const repository of await childrenOf(repositories))
    for (const tag of await childrenOf(tags, { ids: [repository.id] }))
      found.push((await resultOf(manifests, { ids: [repository.id, tag.id] })).body);
  expect(found).toEqual([
    '{ "schemaVersion" : 2.0, "of": "alpine:3.20" }',
    '{ "schemaVersion" : 2.0, "of": "alpine:latest" }',
    '{ "schemaVersion" : 2.0, "of": "library/ubuntu:24.04" }',
  ]);
  expect(asked.map(({ target }) => target)).toContain('/v2/library/ubuntu/tags/list');
  expect(asked).toHaveLength(2 + 4 + 3);
});
