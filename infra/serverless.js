/** What serverless.yml names: the framework loads plain JavaScript only. */
export {
  autoReplay,
  beforeTheBucket,
  bucket,
  expiry,
  fetchFunctions,
  notifications,
  problems,
  recoveryVariables,
  resources,
} from './variables.ts';
