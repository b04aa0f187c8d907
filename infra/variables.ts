/** What serverless.yml names: each asks the framework for the deployment, and derives its part from it. */
import { alarms } from './alarms.ts';
import { dashboard } from './dashboard.ts';
import { readDeployment, type Deployment, type Framework } from './deployment.ts';
import { expiryRules } from './expiry.ts';
import {
  autoReplayInput,
  fetchFunctions as fetchFunctionsOf,
  recoveryVariables as recoveryVariablesOf,
} from './functions.ts';
import { DeploymentError } from './mistakes.ts';
import { bucketName } from './names.ts';
import { publishFunctions as publishFunctionsOf } from './publishing.ts';
import { queues } from './queues.ts';
import { merge, type Resources } from './resources.ts';
import { roles } from './roles.ts';
import * as trigger from './triggers.ts';

/** What the chain's levels need beside their functions, and what watches them. */
export function derivedResources(deployment: Deployment): Resources {
  return merge(
    trigger.triggers(deployment),
    queues(deployment),
    roles(deployment),
    alarms(deployment),
    dashboard(deployment),
  );
}

/**
 * @param instead what stands there when something is wrong: `problems` says what, and the framework is ended before it uses this
 */
function derived<Part>(part: (deployment: Deployment) => Part, instead: Part) {
  return async (framework: Framework): Promise<Part> => {
    const { value = instead } = await attempt(framework, part);
    return value;
  };
}

async function attempt<Part>(
  framework: Framework,
  part: (deployment: Deployment) => Part,
): Promise<{ value?: Part; problems: readonly string[] }> {
  try {
    return { value: part(await readDeployment(framework)), problems: [] };
  } catch (error) {
    if (error instanceof DeploymentError) return { problems: error.problems };
    throw error;
  }
}

export const bucket = derived(bucketName, '');
export const fetchFunctions = derived(fetchFunctionsOf, {});
export const publishFunctions = derived(publishFunctionsOf, {});
export const recoveryVariables = derived(recoveryVariablesOf, {});
export const autoReplay = derived(autoReplayInput, {});
export const notifications = derived(trigger.notifications, {});
export const beforeTheBucket = derived(trigger.beforeTheBucket, []);
export const expiry = derived(expiryRules, []);
export const resources = derived((deployment) => ({ Resources: derivedResources(deployment) }), { Resources: {} });

/** What is wrong with the parameters, the source or what would be derived from them, one line each: lint.ts refuses these. */
export async function problems(framework: Framework): Promise<readonly string[]> {
  return (await attempt(framework, derivedResources)).problems;
}
