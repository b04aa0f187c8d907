/** Every right that a compiled template gives, one by one, and the template without it. */
import { asList, asRecord, asText, isRecord, type Properties } from '../../local-aws/index.ts';

/** A statement; or, when it has several actions or resources, one of these: who misses that one would miss the whole. */
export type Right = {
  name: string;
  /** The logical id of the role or of the policy. */
  holder: string;
  /** The template without it. */
  removedFrom: (template: Properties) => Properties;
};

type Path = (string | number)[];

const documents: Record<string, (properties: Properties) => Path[]> = {
  'AWS::IAM::Role': ({ Policies: policies }) => [
    ['AssumeRolePolicyDocument'],
    ...asList(policies, 'Policies').map((_, at) => ['Policies', at, 'PolicyDocument']),
  ],
  'AWS::IAM::Policy': () => [['PolicyDocument']],
  'AWS::IAM::ManagedPolicy': () => [['PolicyDocument']],
  'AWS::S3::BucketPolicy': () => [['PolicyDocument']],
  'AWS::SQS::QueuePolicy': () => [['PolicyDocument']],
};

export function rightsOf(template: Properties): Right[] {
  return Object.entries(asRecord(template['Resources'], 'Resources')).flatMap(([holder, written]) => {
    const { Type: type, Properties: properties } = asRecord(written, holder);
    const paths = documents[asText(type, holder)]?.(asRecord(properties, holder)) ?? [];
    return paths.flatMap((path) =>
      rightsIn(template, holder, ['Resources', holder, 'Properties', ...path, 'Statement']),
    );
  });
}

function rightsIn(template: Properties, holder: string, list: Path): Right[] {
  return asList(at(template, list), holder).flatMap((statement, index) => {
    const parts = asRecord(statement, holder);
    const name = `${holder} ${typeof parts['Sid'] === 'string' ? parts['Sid'] : `${String(list.at(-2))}[${index}]`}`;
    const whole: Right = { name, holder, removedFrom: (from) => without(from, list, index) };
    const single = ['Action', 'Resource'].flatMap((element) => {
      const values = parts[element];
      if (!Array.isArray(values) || values.length < 2) return [];
      return (values as unknown[]).map((value, position) => ({
        name: `${name}: ${element} ${isRecord(value) ? JSON.stringify(Object.values(value)[0]) : String(value)}`,
        holder,
        removedFrom: (from: Properties) => without(from, [...list, index, element], position),
      }));
    });
    return single.length === 0 ? [whole] : single;
  });
}

function at(value: unknown, path: Path): unknown {
  return path.reduce((inner, step) => (inner as Record<string | number, unknown>)[step], value);
}

function without(template: Properties, list: Path, index: number): Properties {
  const changed = structuredClone(template);
  (at(changed, list) as unknown[]).splice(index, 1);
  return changed;
}
