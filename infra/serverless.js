/** What serverless.yml names: the framework loads plain JavaScript only. */
export {
  autoReplay,
  beforeTheBucket,
  bucket,
  expiry,
  fetchFunctions,
  notifications,
  problems,
  publishFunctions,
  recoveryVariables,
  resources,
} from './variables.ts';
