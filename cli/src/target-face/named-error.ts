// SPDX-License-Identifier: Apache-2.0
// Errors of one of several LUNs or targets say which.
import { OperatorError } from '@lunkit/target-api'

/** The error with its place before its words (`LUN 3`); others than those for operators stay as they are. */
export function named(place: string, error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const { code, hint } = error as { code?: unknown; hint?: unknown }
  if (typeof code !== 'string' || typeof hint !== 'string') return error
  return new OperatorError(code, `${place}: ${error.message}`, { hint, cause: error })
}
