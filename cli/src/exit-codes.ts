// SPDX-License-Identifier: Apache-2.0
// Exit codes that scripts can rely on, and which errors they stand for: one table for all commands and kinds of LUN.

export const ExitCode = Object.freeze({
  done: 0,
  failed: 1,
  usage: 2,
  missing: 3,
  unreachable: 4,
  refused: 5,
  interrupted: 130,
} as const)

/** What each means, for the help of the command line. */
export const EXIT_HELP = `Exit codes:
  0    done
  1    failed: on the way, or because of damaged data
  2    wrong usage: the words make no sense, whatever is there
  3    something of this machine that is named is missing, in use, not permitted, or not what it has to be
  4    unreachable: nobody answers at the other end
  5    refused: who answers there does not do it
  130  interrupted`

/** Nobody is there yet, or any more: worth another look. */
const AWAY = /^(HANDLER_AWAY|NBD_CONNECT|PASSTHROUGH_AWAY|TRANSPORT_CONNECT_FAILED)$/

/** Codes of errors (OperatorError's and the initiator's) to exit codes, first match first. */
const EXIT_OF: readonly (readonly [RegExp, number])[] = [
  [
    /^(STORE_FLUSH|QCOW2_(LOST|CORRUPT|CREATE)|OVERLAY_(DAMAGED|FILE)|STATE_LOST|FILE_WRITE)/,
    ExitCode.failed,
  ],
  [/^(PORTAL_FAILED|PROCESS_ENDED)/, ExitCode.failed],
  [/^FILE_(SIZE|READAHEAD|PREALLOCATE)/, ExitCode.usage],
  [/^(FILE|TRACE_FILE|CHECKSUM_FILE|CAPTURE_FILE|STATE_FOLDER|ENCRYPT_KEY)/, ExitCode.missing],
  [/^(QCOW2_(FORMAT|UNSUPPORTED|DIRTY)|OVERLAY_(NONE|BASE|EXISTS|FROZEN))/, ExitCode.missing],
  [/^(BLOCK_(?!SIZE)|SG_|OBJECT_MODULE|OBJECT_WRONG|STORE_(WRONG|EMPTY|SIZE|TOO_LARGE))/, ExitCode.missing],
  [/^((HANDLER|NBD)_SOCKET|NBD_SIZE|ISCSI_DISK|ISCSI_BLOCK|PASSTHROUGH_(UNIT|TYPE))/, ExitCode.missing],
  [
    /^((LUN|TARGET)_MISSING|(STORAGE|SOCKET|PORTAL|PORT)_IN_USE|SOCKET_PLACE|PORT_DENIED|ADDRESS_UNKNOWN)/,
    ExitCode.missing,
  ],
  [/^(ENOENT|EADDRINUSE|EACCES)/, ExitCode.missing],
  [AWAY, ExitCode.unreachable],
  [/^(TRANSPORT_|LOGIN_TIMEOUT|NBD_(TIMEOUT|TLS)|TARGET_(DOWN|LOST)|CONTROL_FULL)/, ExitCode.unreachable],
  [/^(LOGIN_|NBD_(EXPORT|REFUSED|HANDSHAKE|PROTOCOL)|HANDLER_WRONG)/, ExitCode.refused],
  [/^ABORT_ERR/, ExitCode.interrupted],
]

/** Errors whose cause is what was asked for, whatever their code. */
const ASKED_WRONGLY = new Set(['OperatorError', 'UsageError', 'RequestError'])

/** The error's own stable code, or `ERROR`. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'ERROR'
  if (error.name === 'AbortError') return 'ABORT_ERR'
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : 'ERROR'
}

export function exitCodeOf(error: unknown): number {
  const code = codeOf(error)
  const listed = EXIT_OF.find(([pattern]) => pattern.test(code))?.[1]
  if (listed !== undefined) return listed
  return error instanceof Error && ASKED_WRONGLY.has(error.name) ? ExitCode.usage : ExitCode.failed
}

/** Whether the error says that nobody is at the other end, who may yet come. */
export const isAway = (error: unknown): boolean => AWAY.test(codeOf(error))
