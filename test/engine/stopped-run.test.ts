/**
 * One run is paused or cancelled while another one goes on: on whole runs, in both ways of triggering, with the rights that the
 * template gives, seen from Hermes's log.
 */
import { afterEach, describe, expect, test } from '@jest/globals';
import { parseCall } from '../../sources/hermes/fake/call-key.ts';
import { auditCalls } from '../../sources/hermes/fake/audit.ts';
import type { SweepReport } from '../../shared/engine/recovery/sweep.ts';
import { startWorld, type World } from './world.ts';

let world: World;
afterEach(() => world.stop());

/** Of a run of one of the two troops: its warriors, their groups, and the data. One more call lists the troops. */
const tree = { troops: 2, warriors: 10, groups: 20 };
const callsOfTroop = 1 + 10 + 200;

async function start(trigger: 'direct' | 'queue'): Promise<void> {
  world = await startWorld(tree, { timeScale: 200 }, { trigger, rate: '20' });
}

async function drop(run: string, troop: number): Promise<void> {
  await world.drop(`seeds/${run}.json`, JSON.stringify({ only: { troop: world.hermes.tree().idsAt([troop]) } }));
}

/** How often the API was called for what is beneath a troop. */
function callsOf(troop: number): number {
  const [id] = world.hermes.tree().idsAt([troop]);
  return world.hermes.calls().filter(({ key }) => parseCall(key)?.call.ids[0] === id).length;
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
}

const set = (run: string, setting: object): Promise<void> =>
  world.drop(`control/runs/${run}.json`, JSON.stringify(setting));

/** The sweep by name takes all that is open for lost, since nothing runs. */
async function sweep(run: string): Promise<SweepReport['runs'][number] | undefined> {
  await world.engine.idle();
  const { runs } = (await world.invoke('sweep', { run, olderThan: 0 })) as SweepReport;
  await world.engine.idle();
  return runs[0];
}

describe.each(['direct', 'queue'] as const)('with trigger %s', (trigger) => {
  test('a paused run makes no call while another completes; resumed, it completes by itself, with each call made once', async () => {
    await start(trigger);
    await drop('rests', 0);
    await until(() => callsOf(0) > 20);
    await set('rests', { state: 'paused', reason: 'lunch' });
    await drop('runs', 1);
    await world.engine.idle();
    const before = callsOf(0);
    expect(before).toBeLessThan(callsOfTroop);
    expect(callsOf(1)).toBe(callsOfTroop);
    expect(await sweep('runs')).toMatchObject({ complete: true });
    expect(await sweep('rests')).toMatchObject({ complete: false, refired: 0, control: { reason: 'lunch' } });
    expect(await world.invoke('rate', {})).toMatchObject({ resumed: 0 });
    expect(await world.invoke('status', { run: 'rests' })).toMatchObject({ control: { state: 'paused' } });
    expect(callsOf(0)).toBe(before);

    await set('rests', { state: 'running' });
    await until(() => callsOf(0) === callsOfTroop);
    expect(await sweep('rests')).toMatchObject({ complete: true, refired: 0 });
    expect([...world.objects('failures/').keys()]).toEqual([]);
    expect(auditCalls(world.hermes.calls()).repeats.filter(({ key }) => key !== 'troops')).toEqual([]);
  });

  test('a cancelled run ends: no call, no failure, no success; resumed, the sweep brings back what is open', async () => {
    await start(trigger);
    await drop('ends', 0);
    await until(() => callsOf(0) > 20);
    await set('ends', { state: 'cancelled', at: new Date().toISOString() });
    await world.engine.idle();
    const before = callsOf(0);
    expect(before).toBeLessThan(callsOfTroop);
    expect(await sweep('ends')).toMatchObject({ complete: false, refired: 0, control: { state: 'cancelled' } });
    await drop('ends', 0);
    await world.engine.idle();
    await expect(world.invoke('replay', { run: 'ends' })).rejects.toThrow(/cancelled/);
    expect(await world.invoke('rate', {})).toMatchObject({ resumed: 0 });
    expect(callsOf(0)).toBe(before);
    expect([...world.objects('failures/').keys(), ...world.objects('data/ends/_SUCCESS').keys()]).toEqual([]);
    for (const [queue, { visible }] of Object.entries(world.engine.sqs.depths()))
      expect([queue, visible]).toEqual([queue, 0]);

    await set('ends', { state: 'running' });
    for (let round = 0; round < 8 && (await sweep('ends'))?.complete !== true; round += 1);
    expect(await sweep('ends')).toMatchObject({ complete: true });
    expect(callsOf(0)).toBe(callsOfTroop);
  });
});
