/** The public API: all that a program imports of the local AWS. */

/** A packaged service on one loopback endpoint. */
export { startLocalAws } from './engine.ts';
export type { LocalAws, LocalAwsOptions } from './local-aws.ts';
export type { LambdaFaults } from './lambda/service.ts';
export { pseudoRandom, type NotificationFaults } from './notification-faults.ts';

/** S3 and SQS without a service; and the objects that an engine has left in a folder. */
export { openObjects, startStores, type LocalStores } from './stores.ts';
export type { RequestCounts } from './endpoint.ts';
export type { S3Store } from './s3/store.ts';
export type { StoredObject } from './s3/object-table.ts';
export type { LocalSqs, QueueDepth } from './sqs/service.ts';

export { accountId, peoplesCredentials, region } from './account.ts';
export { lockFolder, type FolderLock } from './folder-lock.ts';

/** Packaging with the Serverless Framework, and what a package holds. */
export { packageService, type PackagedService, type PackageOptions } from './package/package-service.ts';
export { loadPackage, templateFile, type ServicePackage } from './package/load-package.ts';
export type { Queue, ServiceModel } from './package/model.ts';
export { asList, asRecord, asText, isRecord, type Properties } from './package/shape.ts';
export { lookAtRights, readRights, type RightsOverview } from './iam/rights-overview.ts';
export type { Access } from './iam/identity.ts';

/** What a person can act on: each message says what to do. */
export { PortError } from './endpoint.ts';
export { FolderError } from './folder-lock.ts';
export { PackageError, TemplateError } from './package/errors.ts';
