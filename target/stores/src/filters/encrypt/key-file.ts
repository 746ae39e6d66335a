// SPDX-License-Identifier: Apache-2.0
// The key of an encrypted storage, read from a file: 64 bytes that chance made, or the same as hex digits.
import { createSecretKey, type KeyObject } from 'node:crypto'
import { constants } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { fileTrouble, OperatorError } from '@lunkit/target-api'
import { codeOf } from '../../errno.ts'
import { kindOf } from '../../file/open-file.ts'

/** Two keys of AES-256: one for the data, one for the places. */
const KEY_BYTES = 64
/** Bytes of chance have fewer different values in one of 10^20 keys. */
const LEAST_VALUES = 32
const MOST_READ = 4096
const wayTo = (path: string): string =>
  `make one with: head -c 64 /dev/urandom > ${path} && chmod 600 ${path}`

export interface Key {
  readonly key: KeyObject
  /** What is to be told of the file, or empty. */
  readonly note: string
}

/** Rejects with OperatorError ENCRYPT_KEY. No message has anything of the key in it. */
export async function readKey(path: string): Promise<Key> {
  const { bytes, mode } = await readStart(path)
  const key = keyOf(bytes)
  const wrong = weaknessOf(key, bytes.length)
  if (wrong !== '') {
    bytes.fill(0)
    throw refused(path, wrong)
  }
  const secret = createSecretKey(key!)
  bytes.fill(0)
  key!.fill(0)
  const open = process.platform !== 'win32' && (mode & 0o077) !== 0
  return { key: secret, note: open ? `the key file '${path}' can be read or written by others` : '' }
}

const refused = (path: string, why: string, cause?: unknown): OperatorError =>
  new OperatorError('ENCRYPT_KEY', `The key file '${path}' ${why}`, {
    // Nobody is told to write over a file that is there.
    hint: codeOf(cause) === 'ENOENT' ? wayTo(`'${path}'`) : `name another file; ${wayTo('NEW.key')}`,
    cause,
  })

function refuseSpecial(path: string, kind: string): void {
  if (kind !== '') throw refused(path, `is ${kind}, not a regular file`)
}

async function readStart(path: string): Promise<{ bytes: Buffer; mode: number }> {
  try {
    // A FIFO would block, now or if it comes in place of what was looked at.
    refuseSpecial(path, kindOf(await stat(path)))
    const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    try {
      const stats = await file.stat()
      refuseSpecial(path, kindOf(stats))
      const bytes = Buffer.alloc(MOST_READ)
      const { bytesRead } = await file.read(bytes, 0, MOST_READ, 0)
      return { bytes: bytes.subarray(0, bytesRead), mode: stats.mode }
    } finally {
      await file.close()
    }
  } catch (error) {
    if (error instanceof OperatorError) throw error
    throw refused(path, `cannot be read: ${fileTrouble(error)}`, error)
  }
}

function keyOf(bytes: Buffer): Buffer | null {
  if (bytes.length === KEY_BYTES) return Buffer.from(bytes)
  const text = bytes.toString('latin1').trim()
  return new RegExp(`^[0-9a-f]{${2 * KEY_BYTES}}$`, 'i').test(text) ? Buffer.from(text, 'hex') : null
}

function weaknessOf(key: Buffer | null, found: number): string {
  if (key === null) return `has ${found} bytes, not ${KEY_BYTES} or ${2 * KEY_BYTES} hex digits`
  const half = KEY_BYTES / 2
  if (key.subarray(0, half).equals(key.subarray(half))) return 'has two equal halves, which AES-XTS forbids'
  if (key.every(byte => byte >= 0x20 && byte < 0x7f)) return 'has text in it, not chance'
  if (new Set(key).size < LEAST_VALUES) return 'has too few different bytes to be made by chance'
  return ''
}
