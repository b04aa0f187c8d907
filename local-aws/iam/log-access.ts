/**
 * Whether a function's lines reach its log: Lambda writes them with the function's role, and without the rights for it
 * they are lost, while the function runs on.
 */
import type { Identities } from './identities.ts';

type WriteLog = (functionName: string, line: string) => void;

/**
 * @param write where the lines of functions that may log go
 * @param onLost told once of each function whose lines are lost
 */
export function permittedLog(
  write: WriteLog,
  options: {
    identities: Identities;
    place: { accountId: string; region: string };
    onLost: (message: string) => void;
  },
): WriteLog {
  const { identities, place, onLost } = options;
  const isKept = new Map<string, boolean>();
  const decide = (functionName: string): boolean => {
    const group = `arn:aws:logs:${place.region}:${place.accountId}:log-group:/aws/lambda/${functionName}`;
    const { refusal } = identities.ofFunction(functionName);
    const [refused] = ['CreateLogStream', 'PutLogEvents'].flatMap(
      (action) => refusal(`logs:${action}`, `${group}:log-stream:local`) ?? [],
    );
    if (refused !== undefined) onLost(`What ${functionName} logs is lost, as on AWS: ${refused}`);
    isKept.set(functionName, refused === undefined);
    return refused === undefined;
  };
  return (functionName, line) => {
    if (isKept.get(functionName) ?? decide(functionName)) write(functionName, line);
  };
}
