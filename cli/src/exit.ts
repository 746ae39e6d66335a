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

/** Codes of errors (OperatorError and the initiator's) to exit codes; the rest is `failed`. */
const EXIT_OF: readonly (readonly [RegExp, number])[] = [
  [
    /^(FILE_MISSING|FILE_IN_USE|FILE_|PORT_IN_USE|PORTAL_(IN_USE|UNAVAILABLE)|ENOENT|EADDRINUSE|EACCES)/,
    ExitCode.missing,
  ],
  [/^(LOGIN_|AUTHENTICATION)/, ExitCode.refused],
  [/^(TRANSPORT|ECONN|ETIMEDOUT|EHOST|ENET|ENOTFOUND|EAI_|TIMEOUT)/, ExitCode.unreachable],
  [/^(PARAMETER_|LUN_|PORTAL|SIZE|IDENTITY|NAA|NO_LUNS|URL|CHAP|USAGE|NAME|OPTION)/, ExitCode.usage],
  [/^(ABORT_ERR)/, ExitCode.interrupted],
]

interface Told {
  readonly code: string
  readonly message: string
  readonly hint: string
}

/** An error in plain fields, for people and for --json alike. */
export function describeError(error: unknown): Told {
  if (!(error instanceof Error)) return { code: 'ERROR', message: String(error), hint: '' }
  const { code, hint } = error as { code?: unknown; hint?: unknown }
  return {
    code: typeof code === 'string' ? code : error.name === 'AbortError' ? 'ABORT_ERR' : 'ERROR',
    message: error.message,
    hint: typeof hint === 'string' ? hint : '',
  }
}

export function exitCodeOf(error: unknown): number {
  const { code } = describeError(error)
  return EXIT_OF.find(([pattern]) => pattern.test(code))?.[1] ?? ExitCode.failed
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
