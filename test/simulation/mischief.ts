/**
 * What people and other programs leave where the engine reads: junk beside its objects, records of another shape, a freeze without
 * end, letters that it did not write, and children that the API does not have.
 */
import { eventOf } from './notifications.ts';
import type { Site } from './faults.ts';
import type { Scene } from './scene.ts';

const megabyte = 'x'.repeat(1_000_001);

/** JSON, or none, of another shape than any record. */
const otherShapes = [
  megabyte,
  '',
  'null',
  '[]',
  '{"at":5}',
  '{"run":"2026-11-20","at":"yesterday","complete":true,"levels":[{}],"reasons":[],"apiCalls":0}',
  '{"key":"k","status":"parked","class":"item","code":"X","message":"x","attempts":"many","replays":-1,"at":"never"}',
] as const;

export class Mischief {
  readonly #scene: Scene;
  /** In a run's tree: it keeps the run from being complete until a person deletes it. */
  readonly #inTree = new Set<string>();

  constructor(scene: Scene) {
    this.#scene = scene;
  }

  /** An object beside those of the engine. */
  leaveJunk(site: Site): void {
    const { faults, plan } = this.#scene;
    const run = this.#run(site);
    const row = faults.pick(site, 'row', plan.rows);
    const last = plan.rows.at(-1)?.writes ?? '';
    const inTree = row.reads === 'seeds' ? [] : ['\uFFFD.json', '😀', 'notes.txt', 'a b.json', 'x/y/z/a/b/c/d/e.json'];
    const keys = [
      `seeds/${run}.json\uFFFD`,
      `seeds/${run}.json😀`,
      `seeds/${run}.json.bak`,
      'seeds/ü.json',
      'seeds/.json',
      `${last}/${run}/_SUCCESS`,
      `${last}/${run}/notes.txt`,
      `${last}/${run}/forged${plan.rows.at(-1)?.suffix}`,
      `receipts/${row.level}/${run}/\uFFFD.json`,
      `failures/${row.level}/${run}/😀.json`,
      `runs/${run}.json\uFFFD`,
      'runs/not a run.json',
      `finished/${run}/\uFFFD.json`,
      ...inTree.map((name) => `${row.reads}/${run}/${name}`),
    ];
    const key = faults.pick(site, 'key', keys);
    const isInTree = key.startsWith(`${row.reads}/`) && !key.startsWith('seeds/');
    if (isInTree || key.startsWith(`${last}/${run}/forged`)) this.#inTree.add(key);
    this.#write(key, faults.pick(site, 'body', ['junk', '{}', megabyte]));
  }

  /** A record of the engine is overwritten with something else. */
  spoilRecord(site: Site): void {
    const { faults, bucket, plan } = this.#scene;
    const run = this.#run(site);
    const level = faults.pick(site, 'level', plan.rows).level;
    const notes = [...bucket.objects.keys()].filter((key) => key.startsWith(`failures/${level}/${run}`)).sort();
    const receipts = [...bucket.objects.keys()].filter((key) => key.startsWith(`receipts/${level}/${run}`)).sort();
    const keys = [
      `runs/${run}.json`,
      'control/last-good-rate.json',
      `control/runs/${run}.json`,
      ...(notes.length > 0 ? [faults.pick(site, 'note', notes)] : []),
      ...(receipts.length > 0 ? [faults.pick(site, 'receipt', receipts)] : []),
    ];
    const key = faults.pick(site, 'key', keys);
    if (key.startsWith('receipts/')) this.#scene.isTampered = true;
    this.#write(key, faults.pick(site, 'body', otherShapes));
  }

  /** Calls must not be stopped for longer than a freeze may last from when it was written. */
  poisonFreeze(site: Site): void {
    this.#write(
      'control/freeze.json',
      this.#scene.faults.pick(site, 'body', [
        '{"until":"9999-12-31T00:00:00.000Z"}',
        '{"until":"9999-12-31T00:00:00.000Z"}',
        '{"until":"soon"}',
        ...otherShapes,
      ]),
    );
  }

  /** A message that the engine did not write, on a queue that it empties. */
  forgeLetter(site: Site): void {
    const { faults, levels, plan, time } = this.#scene;
    const row = faults.pick(site, 'row', plan.rows);
    const key = faults.pick(site, 'item', this.#itemsOf(row.reads) ?? [`${row.reads}/none.json`]);
    const own = (event: string, reason: object): string =>
      `{"source":"s3-cascade","version":"1","reason":${JSON.stringify(reason)},"event":${event}}`;
    const foreign = eventOf(key, time.nowMs, 'other-bucket');
    const real = eventOf(key, time.nowMs);
    const reason = { code: 'X', message: 'x', at: 'never', attempts: 'many' };
    const forged = faults.pick(site, 'letter', [
      { body: foreign, mustStay: true },
      { body: own(foreign, reason), mustStay: true },
      { body: own(real, {}), mustStay: true },
      { body: 'not JSON', mustStay: true },
      { body: '{}', mustStay: true },
      { body: real.replace('"s3":', '"s3Cascade":{"replays":-1},"s3":'), mustStay: true },
      { body: '{"Records":[]}', mustStay: false },
      { body: own(real, reason), mustStay: false },
      { body: eventOf(`${row.reads}/2026-11-20/${'x'.repeat(1_500)}.json`, time.nowMs), mustStay: false },
    ]);
    const parts = levels.get(row.level);
    const queue = faults.between(site, 'queue', 0, 1) === 0 ? parts?.deadLetters : parts?.waiting;
    this.#scene.say(`somebody sends ${forged.body.slice(0, 120)} to ${queue?.name}`);
    queue?.add(forged.body, {}, forged.mustStay);
  }

  /** A child that the API does not have, in the place of one that it has. */
  forgeSibling(site: Site): void {
    const { faults, bucket, checker } = this.#scene;
    const children = this.#scene
      .modelNodes()
      .filter(({ parent, itemKey }) => parent !== undefined && bucket.objects.has(itemKey));
    if (children.length === 0) return;
    const { parent, itemKey } = faults.pick(site, 'sibling', children);
    if (parent === undefined) return;
    const key = `${itemKey.slice(0, itemKey.lastIndexOf('/'))}/forged.json`;
    this.#inTree.add(key);
    checker.ledger.state(parent).isTouched = true;
    this.#scene.isTampered = true;
    // The number of children is right then, and only their names tell.
    if (faults.between(site, 'replaces', 0, 1) === 1) this.#scene.deleteObject(itemKey);
    this.#write(key, faults.pick(site, 'body', ['{"id":"forged"}', 'junk']));
  }

  /** A batch is overwritten, or one more is put next to it. */
  forgeBatch(site: Site): void {
    const { faults, checker } = this.#scene;
    const { batches } = checker.ledger.batches;
    if (batches.size === 0) return;
    const { place, key, stored } = faults.pick(site, 'batch', [...batches.values()]);
    const { ids } = place.parent.api;
    const isNew = faults.between(site, 'new', 0, 1) === 1;
    const free = place.number + faults.between(site, 'number', 1, 3);
    const forged = JSON.stringify([{ ids: [...ids, 'forged'], item: { id: 'forged' } }]);
    const body = faults.pick(site, 'body', [
      'junk',
      '[]',
      '[{"ids":["x"],"item":{}}]',
      forged,
      ` ${stored.body}`,
      megabyte,
    ]);
    this.#forge(isNew ? key.replace(/\d{5}\.json$/, `${String(free).padStart(5, '0')}.json`) : key, body);
  }

  /** A result part is overwritten, or one more is put next to it. */
  forgePart(site: Site): void {
    const { faults, checker, plan } = this.#scene;
    const { batches } = checker.ledger.batches;
    if (batches.size === 0) return;
    const { key, leaves } = faults.pick(site, 'batch', [...batches.values()]);
    const { reads = '', writes = '' } = plan.rows.at(-1) ?? {};
    const base = `${writes}${key.slice(reads.length, -'.json'.length)}`;
    const names = plan.rows.flatMap(({ id }) => id ?? []);
    const lines = leaves.flatMap((leaf) =>
      leaf === undefined
        ? []
        : [
            `${JSON.stringify({
              ...Object.fromEntries(names.map((name, index) => [name, leaf.api.ids[index]])),
              fetched_at: '2026-11-20T06:00:00.000Z',
              data: 'forged',
            })}\n`,
          ],
    );
    const name = faults.pick(site, 'name', [
      '.ndjson',
      '.ndjson',
      '.1.ndjson',
      '.2.ndjson',
      '.7.ndjson',
      '.01.ndjson',
      '.x',
    ]);
    this.#forge(`${base}${name}`, faults.pick(site, 'body', ['junk', '', lines[0] ?? '', lines.join(''), megabyte]));
  }

  /** A person writes into a run's tree, until a person deletes it. */
  #forge(key: string, body: string): void {
    this.#scene.isTampered = true;
    this.#inTree.add(key);
    this.#write(key, body);
  }

  /** A person deletes what is in the runs' trees and does not belong there. */
  tidy(): void {
    for (const key of this.#inTree) this.#scene.bucket.delete(key, 'person');
    this.#inTree.clear();
  }

  /** A result whose item was deleted, and does not come back since the API has it no longer, is not the engine's to delete. */
  tidyOrphans(): void {
    const { bucket, checker, time } = this.#scene;
    for (const node of this.#scene.modelNodes()) {
      const hasLeft = node.api.isLeaf && node.api.untilMs <= time.nowMs && !checker.ledger.isThere(node);
      if (hasLeft && bucket.objects.has(node.doneKey)) bucket.delete(node.doneKey, 'person');
    }
  }

  #write(key: string, body: string): void {
    this.#scene.bucket.write(key, body, {}, 'person');
  }

  #run(site: Site): string {
    return this.#scene.faults.pick(site, 'run', this.#scene.runs);
  }

  #itemsOf(prefix: string): string[] | undefined {
    const keys = [...this.#scene.bucket.objects.keys()].filter(
      (key) => key.startsWith(`${prefix}/`) && key.endsWith('.json'),
    );
    return keys.length === 0 ? undefined : keys.sort();
  }
}
