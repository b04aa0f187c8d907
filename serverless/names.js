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

/** The stage and the account make the name unique. Roles need it before the bucket is there. */
export const bucketName = '${self:service}-${sls:stage}-${AWS::AccountId}';
export const bucketArn = { 'Fn::Sub': `arn:\${AWS::Partition}:s3:::${bucketName}` };
export const objects = (...prefixes) => prefixes.map((prefix) => object(`${prefix}/*`));
export const object = (key) => ({ 'Fn::Sub': `${bucketArn['Fn::Sub']}/${key}` });

export const arnOf = (id) => ({ 'Fn::GetAtt': [id, 'Arn'] });
export const ref = (id) => ({ Ref: id });
