// SPDX-License-Identifier: Apache-2.0
// Errors that a person can act on: a stable code, what is wrong, and the way out.

/** Thrown while opening, configuring and starting; never in the road of a command. */
export class OperatorError extends Error {
  /** Stable, for scripts: `FILE_MISSING`, `PORT_IN_USE`. */
  readonly code: string
  /** The way out, in a few words; or empty. */
  readonly hint: string
  constructor(code: string, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'OperatorError'
    this.code = code
    this.hint = options.hint ?? ''
  }
}
