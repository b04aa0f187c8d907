/** A jest reporter that tells of each test at once, so that a mutant is known to be killed before its file has ended. */
import type { UnitWord } from './unit-process.ts';

type TestCase = { status: string; fullName: string };
type FileResult = { testExecError?: { message?: string } | undefined; testFilePath: string };

let word: (word: UnitWord) => void = () => undefined;

export function tellTo(listener: (word: UnitWord) => void): void {
  word = listener;
}

export default class Watch {
  onTestCaseResult(_: unknown, { status, fullName }: TestCase): void {
    word(status === 'failed' ? { failed: fullName } : { passed: true });
  }

  onTestResult(_: unknown, { testExecError, testFilePath }: FileResult): void {
    if (testExecError) word({ failed: `${testFilePath}: ${testExecError.message ?? 'it could not be run'}` });
  }
}
