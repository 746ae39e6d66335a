// SPDX-License-Identifier: Apache-2.0
// Exit codes that scripts can rely on, and errors in words: what, why, and the way out.
import { CommanderError } from 'commander'

export const ExitCode = Object.freeze({
  done: 0,
  failed: 1,
  usage: 2,
  missing: 3,
  unreachable: 4,
  refused: 5,
  interrupted: 130,
} as const)

/** Codes of errors (OperatorError's and the initiator's) to exit codes, first match first. */
const EXIT_OF: readonly (readonly [RegExp, number])[] = [
  [/^(STORE_FLUSH|QCOW2_LOST|FILE_WRITE)/, ExitCode.failed],
  [/^FILE_SIZE/, ExitCode.usage],
  [
    /^(LUN_MISSING|TARGET_MISSING|FILE_|STORAGE_IN_USE|SOCKET_IN_USE|PORTAL_IN_USE|PORT_IN_USE|ENOENT|EADDRINUSE|EACCES)/,
    ExitCode.missing,
  ],
  [/^LOGIN_(?!TIMEOUT)/, ExitCode.refused],
  [/^(TRANSPORT_|LOGIN_TIMEOUT|TARGET_DOWN|TARGET_LOST|CONTROL_FULL)/, ExitCode.unreachable],
  [/^ABORT_ERR/, ExitCode.interrupted],
]

/** Errors whose cause is what was asked for, whatever their code. */
const ASKED_WRONGLY = new Set(['OperatorError', 'UsageError', 'RequestError'])

export interface Told {
  readonly code: string
  readonly message: string
  readonly hint: string
}

/** An error in plain fields, for people and for --json alike. */
export function describeError(error: unknown): Told {
  if (!(error instanceof Error)) return { code: 'ERROR', message: String(error), hint: '' }
  if (error.name === 'AbortError') return { code: 'ABORT_ERR', message: 'Interrupted', hint: '' }
  const { code, hint } = error as { code?: unknown; hint?: unknown }
  return {
    code: typeof code === 'string' ? code : 'ERROR',
    message: error.message,
    hint: typeof hint === 'string' ? hint : '',
  }
}

export function exitCodeOf(error: unknown): number {
  const { code } = describeError(error)
  const listed = EXIT_OF.find(([pattern]) => pattern.test(code))?.[1]
  if (listed !== undefined) return listed
  return error instanceof Error && ASKED_WRONGLY.has(error.name) ? ExitCode.usage : ExitCode.failed
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
