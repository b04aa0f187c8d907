/** Prometheus: jobs, the instances of a job, the metrics of an instance, and their samples in the run's window. */
import { defineChain, list, none, result } from '../../shared/source/define.ts';

// Prometheus looks for names in whole blocks: a metric without samples in the window has an empty result.
const window = { start: '{params.from}', end: '{params.to}' };

// Label values may hold quotes and backslashes. PromQL reads JSON's escapes.
const job = 'job="{job|json}"';
const instance = 'instance="{instance|json}"';

export default defineChain({
  api: {
    auth: none(),
    answers: [
      { status: ['2xx', 400, 422], body: { path: 'status', equals: 'error' }, then: 'fail', message: 'error' },
      // A warning says that a storage did not answer, or that the answer was cut: a part is missing.
      { status: '2xx', body: { path: 'warnings[0]' }, then: 'retry', message: 'warnings[0]' },
    ],
  },
  params: {
    from: { type: 'timestamp', default: 'now-1h' },
    to: { type: 'timestamp', default: 'now' },
    step: { type: 'text', default: '60s' },
  },
  levels: [
    list('jobs', { id: 'job', path: 'api/v1/label/job/values', query: window, items: 'data', idPath: '$' }),
    list('instances', {
      id: 'instance',
      path: 'api/v1/label/instance/values',
      query: { 'match[]': `{{${job}}}`, ...window },
      items: 'data',
      idPath: '$',
    }),
    list('metrics', {
      id: 'metric',
      path: 'api/v1/label/__name__/values',
      query: { 'match[]': `{{${job},${instance}}}`, ...window },
      items: 'data',
      idPath: '$',
    }),
    result('data', {
      path: 'api/v1/query_range',
      query: { query: `{{__name__="{metric|json}",${job},${instance}}}`, ...window, step: '{params.step}' },
    }),
  ],
});
