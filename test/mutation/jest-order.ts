/** The order of the test files in a mutation run: as they were asked for, those closest to the changed file first. */

type Test = { path: string };

let asked: readonly string[] = [];

export function askInOrder(paths: readonly string[]): void {
  asked = paths;
}

export default class Order {
  sort(tests: readonly Test[]): Test[] {
    return tests.toSorted((a, b) => asked.indexOf(a.path) - asked.indexOf(b.path));
  }

  shard(tests: Test[]): Test[] {
    return tests;
  }

  allFailedTests(tests: Test[]): Test[] {
    return tests;
  }

  cacheResults(): void {
    // How long a file took before is of no interest: the order is given.
  }
}
