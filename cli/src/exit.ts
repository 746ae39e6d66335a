// SPDX-License-Identifier: Apache-2.0
// How a command that failed ends: errors in words (what, why, and the way out), and its exit code.
import { CommanderError } from 'commander'
import { codeOf, ExitCode, exitCodeOf } from './exit-codes.ts'

export interface Told {
  readonly code: string
  readonly message: string
  readonly hint: string
}

/** An error in plain fields, for people and for --json alike. */
export function describeError(error: unknown): Told {
  const code = codeOf(error)
  if (!(error instanceof Error)) return { code, message: String(error), hint: '' }
  if (code === 'ABORT_ERR') return { code, message: 'Interrupted', hint: '' }
  const { hint } = error as { hint?: unknown }
  return { code, message: error.message, hint: typeof hint === 'string' ? hint : '' }
}

/** Writes the error to standard error (with --json as one JSON line) and sets the exit code. */
export function reportError(error: unknown): void {
  if (error instanceof CommanderError) {
    // Commander has said it already: help and version end with 0, all else is a matter of usage.
    process.exitCode = error.exitCode === 0 ? ExitCode.done : ExitCode.usage
    return
  }
  const told = describeError(error)
  if (process.argv.includes('--json'))
    process.stderr.write(`${JSON.stringify({ event: 'error', ...told })}\n`)
  else process.stderr.write(`lunkit: ${told.message}${told.hint === '' ? '' : `\n  ${told.hint}`}\n`)
  if (process.env['LUNKIT_DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack}\n`)
  process.exitCode = exitCodeOf(error)
}
