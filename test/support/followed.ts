import fc from "fast-check";

/**
 * An asynchronous property whose last run can be waited for. fast-check's `interruptAfterTimeLimit` ends `assert` while a
 * run is still under way: what that run uses must not be closed or removed before it is done.
 */
export function followed<A extends unknown[]>(
  property: (...values: A) => Promise<void>,
): { run: (...values: A) => Promise<void>; settled: () => Promise<void> } {
  let last: Promise<void> = Promise.resolve();
  return {
    run: (...values) => (last = property(...values)),
    settled: () => last.catch(() => undefined),
  };
}

/** Tries a property on as many values as there is time for; nothing of it runs any more when this ends. */
export async function holdsWithin<T>(
  seconds: number,
  arbitrary: fc.Arbitrary<T>,
  property: (value: T) => Promise<void>,
): Promise<void> {
  const { run, settled } = followed(property);
  try {
    await fc.assert(fc.asyncProperty(arbitrary, run), {
      numRuns: 1_000_000,
      interruptAfterTimeLimit: seconds * 1000,
      markInterruptAsFailure: false,
      includeErrorInReport: true,
    });
  } finally {
    await settled();
  }
}
