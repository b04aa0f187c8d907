/**
 * What the same job costs elsewhere. Nothing of this is run: the counts follow from the tree and the services' price lists. Each
 * way is set up as its user would do it for the least money.
 */
import { usdPerGbSecond, usdPerInvocation, usdPerWrite, type CostLine } from '../cli/run/cost.ts';

/** How many items each level has, from the seed down; the last level's are the results. */
export type Shape = {
  items: readonly number[];
  latencyMs: number;
  memoryGb: number;
  s3Ms: number;
  callsInFlight: number;
};

export type Children = 'Standard' | 'Express';

/**
 * https://aws.amazon.com/step-functions/pricing/ : a transition of a Standard workflow; an execution of an Express one, and
 * its duration in chunks of 64 MB and 100 ms. Each child of a Distributed Map is an execution.
 */
const usdPerTransition = 25 / 1e6;
const usdPerExpress = 1 / 1e6;
const usdPerExpressGbSecond = 0.00001667;

/** https://aws.amazon.com/ec2/pricing/on-demand/ and /ebs/pricing/ : t4g.small, 2 GB; 20 GB of gp3. 730 hours a month. */
const usdPerServerMonth = 0.0168 * 730 + 20 * 0.08;

/**
 * A Distributed Map for each level, whose children are one Lambda call each and answer with the ids of what comes next; the last
 * level's write their results, one object a child. An ItemBatcher gives a child so many items, of any parent, at every level; their
 * calls are made side by side.
 */
export function distributedMap(children: Children, batch: number, shape: Shape): CostLine[] {
  const { items, latencyMs, memoryGb, s3Ms, callsInFlight } = shape;
  const levels = items.map((count, index) => ({
    children: Math.ceil(count / batch),
    seconds:
      (Math.ceil(Math.min(count, batch) / callsInFlight) * latencyMs + (index === items.length - 1 ? s3Ms : 0)) / 1000,
  }));
  const executions = levels.reduce((total, level) => total + level.children, 0);
  const results = levels.at(-1)?.children ?? 0;
  const seconds = levels.reduce((total, level) => total + level.children * level.seconds, 0);
  const lines = [
    resultWrites(results),
    { what: 'Lambda invocations', quantity: executions, unit: 'requests', usd: executions * usdPerInvocation },
    lambdaTime('Lambda time: the API, and S3 once', seconds * memoryGb),
  ];
  if (children === 'Standard') {
    const usd = executions * usdPerTransition;
    return [...lines, { what: 'state transitions, one a child', quantity: executions, unit: '', usd }];
  }
  const chunkSeconds = levels.reduce(
    (total, level) => total + level.children * (Math.ceil(level.seconds * 10) / 10),
    0,
  );
  const gbSeconds = (chunkSeconds * 64) / 1024;
  return [
    ...lines,
    { what: 'Express executions', quantity: executions, unit: 'requests', usd: executions * usdPerExpress },
    { what: 'their duration, 64 MB', quantity: gbSeconds, unit: 'GB-seconds', usd: gbSeconds * usdPerExpressGbSecond },
  ];
}

/** It runs all month, and does the job once a day. @param results how many objects it writes */
export function smallServer(results: number): CostLine[] {
  const day = { what: 'a thirtieth of t4g.small and 20 GB', quantity: 1, unit: 'day', usd: usdPerServerMonth / 30 };
  return [day, resultWrites(results)];
}

export function lambdaTime(what: string, gbSeconds: number): CostLine {
  return { what, quantity: gbSeconds, unit: 'GB-seconds', usd: gbSeconds * usdPerGbSecond };
}

function resultWrites(count: number): CostLine {
  return { what: 'S3 PUT of the results', quantity: count, unit: 'requests', usd: count * usdPerWrite };
}
