// SPDX-License-Identifier: Apache-2.0
// Errors of the command line itself; on the initiator's side no target code is loaded, not even its error class.

/** Same fields as the target's OperatorError: stable code, sentence, hint. */
export class UsageError extends Error {
  readonly code: string
  readonly hint: string
  constructor(code: string, message: string, hint = '') {
    super(message)
    this.name = 'UsageError'
    this.code = code
    this.hint = hint
  }
}
