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
