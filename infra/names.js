/** What things are called, in the template and in the account. Plain JavaScript, as all in this folder: the Serverless Framework loads it. */

/** @param {string} name e.g. fetchDataGroups or data_groups @returns {string} the same as a logical id, e.g. FetchDataGroups, DataGroups */
export const logicalId = (name) => name.replaceAll(/(?:^|_)([a-z])/g, (_, letter) => letter.toUpperCase());

export const functionOf = (name) => `${logicalId(name)}LambdaFunction`;
export const functionNameOf = (name) => `\${self:service}-\${sls:stage}-${name}`;

/** A level's queues, as logical ids. */
export const deadLettersOf = (level) => `${logicalId(level)}DeadLetters`;
export const waitingOf = (level) => `${logicalId(level)}Waiting`;
export const triggerOf = (level) => `${logicalId(level)}Trigger`;
/** @param {string} kind e.g. dead-letters */
export const queueNameOf = (level, kind) => `\${self:service}-\${sls:stage}-${level.replaceAll('_', '-')}-${kind}`;

/** What a parameter says, as a truth: --param gives texts. */
export const isOn = (value) => value === true || value === 'true';

/** Roles need it before the bucket is there. */
export const bucketName = '${param:bucketName}';
/** A name that is written out needs no Fn::Sub, and cfn-lint minds one. */
export async function bucketNameValue({ resolveVariable }) {
  const name = await resolveVariable('param:bucketName');
  return name.includes('${') ? { 'Fn::Sub': name } : name;
}
export const bucketArn = { 'Fn::Sub': `arn:\${AWS::Partition}:s3:::${bucketName}` };
export const objects = (...prefixes) => prefixes.map((prefix) => object(`${prefix}/*`));
export const object = (key) => ({ 'Fn::Sub': `${bucketArn['Fn::Sub']}/${key}` });

export const arnOf = (id) => ({ 'Fn::GetAtt': [id, 'Arn'] });
export const ref = (id) => ({ Ref: id });

/** A mistake in the parameters, told in one line: the framework shows an error's stack. */
export function mistake(message) {
  const error = new Error(message);
  error.stack = message;
  return error;
}
