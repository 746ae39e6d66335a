// SPDX-License-Identifier: Apache-2.0
// Patience with a limit, where it does not matter how a promise ends.

/** Waits for a promise, but not longer than the limit and without caring how it ends. */
export async function within(promise: Promise<unknown>, limitMs: number): Promise<void> {
  const limit = Promise.withResolvers<void>()
  const timer = setTimeout(limit.resolve, limitMs)
  await Promise.race([promise.catch(() => {}), limit.promise])
  clearTimeout(timer)
}
