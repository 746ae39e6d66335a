// SPDX-License-Identifier: Apache-2.0
// A record as a file: one line with name, length and checksum, then the text.
import { crc32c } from '@lunkit/spec'
import type { RecordName } from '@lunkit/target-api'

/** The names of records, which are their files' names, too. */
export const RECORDS: readonly RecordName[] = ['reservations', 'modes', 'unit']

const HEAD = /^lunkit record (\w+), (\d+) bytes, CRC32C ([0-9a-f]{8})\n/

export function encodeRecord(name: RecordName, text: string): Buffer {
  const body = Buffer.from(text)
  const head = `lunkit record ${name}, ${body.length} bytes, CRC32C ${checksum(name, body)}\n`
  return Buffer.concat([Buffer.from(head), body])
}

/** The text, or null if the file is not what `encodeRecord` made. */
export function decodeRecord(name: RecordName, file: Buffer): string | null {
  const head = HEAD.exec(file.toString('latin1', 0, 100))
  if (head === null || head[1] !== name) return null
  const body = file.subarray(head[0].length)
  if (body.length !== Number(head[2]) || checksum(name, body) !== head[3]) return null
  return body.toString()
}

/** Over the name, too: a file that was renamed by mistake is none of that name. */
function checksum(name: RecordName, body: Buffer): string {
  return crc32c(Buffer.concat([Buffer.from(`${name}\n`), body]))
    .toString(16)
    .padStart(8, '0')
}
