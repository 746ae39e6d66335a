// SPDX-License-Identifier: Apache-2.0
// Patience with a limit, where it does not matter how a promise ends.

/** Waits for a promise, but not longer than the limit. Resolves to its value, or to null if it fails or is late. */
export async function within<T>(promise: Promise<T>, limitMs: number): Promise<T | null> {
  const limit = Promise.withResolvers<null>()
  const timer = setTimeout(() => limit.resolve(null), limitMs)
  const value = await Promise.race([promise.catch(() => null), limit.promise])
  clearTimeout(timer)
  return value
}
