// SPDX-License-Identifier: Apache-2.0
// What is captured, and how much of it is kept where: checked, with everything filled in.
import { OperatorError } from '@lunkit/target-api'

/** Whose connection it is; after a login that failed, what it has said of itself, with `tsih` 0. */
export interface CaptureFacts {
  readonly initiator: string
  readonly target: string
  readonly portalGroup: number
  readonly tsih: number
}

export interface CaptureOptions {
  /**
   * File in pcapng format. With `%s` in its name each session has its own, named by portal group and number; `%i` is the
   * initiator's name. Connections whose login failed are together, with the number 0 and the name `nobody`. A function decides for each session, and for each connection whose login failed: a path, or null for
   * none. An older capture that is there is overwritten, any other file never.
   */
  readonly file: string | ((facts: CaptureFacts) => string | null)
  /** Only initiators with such names, `*` and `?` match any; all if not given. */
  readonly initiators?: readonly string[]
  /** Bytes of each PDU's data segment that are kept; all if not given. Headers are always kept. */
  readonly snapBytes?: number
  /** A file of this length is followed by another, with a number before its extension: 100 MiB if not given. */
  readonly fileBytes?: number
  /** Files that there may be in all; the oldest that has ended makes room: 10 if not given. */
  readonly files?: number
}

export interface CaptureSettings {
  readonly fileOf: (facts: CaptureFacts) => string | null
  /** The one file for all, if nothing has to be known of a session first. */
  readonly common: string | null
  readonly initiators: readonly string[] | null
  readonly snapBytes: number
  readonly fileBytes: number
  readonly files: number
}

const LEAST_FILE_BYTES = 131_072
const MOST_FILES = 10_000
/** Characters of an initiator's name in the name of a file. */
const NAME_LENGTH = 100

/** Throws OperatorError. */
export function settleCapture(options: CaptureOptions): CaptureSettings {
  const { file, initiators = null, snapBytes = Number.MAX_SAFE_INTEGER } = options
  const { fileBytes = 100 * 1024 * 1024, files = 10 } = options
  inRange('snapBytes', snapBytes, 0, Number.MAX_SAFE_INTEGER)
  inRange('fileBytes', fileBytes, LEAST_FILE_BYTES, 2 ** 40)
  inRange('files', files, 1, MOST_FILES)
  if (file === '') throw new OperatorError('CAPTURE_FILE', 'Capture has an empty file name')
  const fileOf = typeof file === 'string' ? (facts: CaptureFacts) => expand(file, facts) : file
  const isCommon = typeof file === 'string' && !/%[si]/.test(file) && initiators === null
  return { fileOf, common: isCommon ? fileOf(NOBODY) : null, initiators, snapBytes, fileBytes, files }
}

/** Who has not logged in may say any name: all such connections share their files. */
const STRANGER = 'nobody'
const NOBODY: CaptureFacts = { initiator: '', target: '', portalGroup: 0, tsih: 0 }

function expand(file: string, { initiator, portalGroup, tsih }: CaptureFacts): string {
  return file.replaceAll(/%(.)/g, (whole, letter: string) => {
    if (letter === 's') return `${portalGroup}-${tsih}`
    if (letter === 'i') return tsih === 0 ? STRANGER : fileName(initiator)
    return letter === '%' ? '%' : whole
  })
}

/** The name comes from a peer: nothing of it may lead into another folder. */
function fileName(initiator: string): string {
  const safe = initiator.replaceAll(/[^\w.:-]/g, '_').slice(0, NAME_LENGTH)
  return safe.replace(/^\.+/, dots => '_'.repeat(dots.length))
}

function inRange(what: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return
  throw new OperatorError('CAPTURE_VALUE', `Capture's ${what} is ${value}`, {
    hint: `give a whole number from ${min} to ${max}`,
  })
}
