// SPDX-License-Identifier: Apache-2.0
// Looks at what a target sent for anything that it should not know of this peer: stored data outside of a READ,
// strange bytes in one, a Reject of what was never sent.
import { BHS, describePdu, isExtensionKey, keyByName, Opcode, parseText } from '@lunkit/spec'
import { firstStranger, traceOfGoodData, traceOfStoredData } from './content.ts'
import type { Answer } from './wire.ts'

interface Asker {
  readonly headers: ReadonlySet<string>
  /** Tags of READs of LUNs whose content is known. */
  readonly reads: ReadonlySet<number>
  /** Its requests were damaged on the way, so that it cannot know what they ask for. */
  readonly loose: boolean
}

/** What is wrong with an answer, or null. */
export function inspect(answer: Answer, asker: Asker): string | null {
  const { opcode, header, data } = answer
  const shown = (): string => describePdu(header)
  if (asker.loose) {
    const at = traceOfGoodData(data)
    return at < 0 ? null : `Data segment has another's data at ${at}: ${glimpse(data, at)} ${shown()}`
  }
  switch (opcode) {
    case Opcode.reject:
      return data.length === 48 && asker.headers.has(data.toString('latin1'))
        ? null
        : `Reject holds no header that was sent: ${shown()}`
    case Opcode.dataIn: {
      const isRead = asker.reads.has(BHS.field.itt.get(header, 0))
      const at = isRead ? firstStranger(data) : traceOfStoredData(data)
      return at < 0 ? null : `Data-In has strange bytes at ${at}: ${glimpse(data, at)} ${shown()}`
    }
    case Opcode.loginResponse:
    case Opcode.textResponse:
      return strangeText(data, shown)
    case Opcode.nopIn: {
      const at = firstStranger(data)
      return at < 0 ? null : `NOP-In has strange bytes at ${at}: ${glimpse(data, at)} ${shown()}`
    }
    default: {
      const at = traceOfStoredData(data)
      return at < 0 ? null : `Data segment has stored data at ${at}: ${glimpse(data, at)} ${shown()}`
    }
  }
}

/** Keys of an answer are keys of the standard, or those that the peer asked for. */
function strangeText(data: Buffer, shown: () => string): string | null {
  const at = traceOfStoredData(data)
  if (at >= 0) return `Text has stored data at ${at}: ${glimpse(data, at)} ${shown()}`
  // A text that goes on in the next PDU may end within a pair.
  if (data.length === 0 || data.at(-1) !== 0) return null
  const parsed = parseText(data)
  if (!parsed.ok) return `Text is broken: ${parsed.error.kind} ${shown()}`
  const strange = parsed.pairs.find(
    ({ key, value }) => keyByName(key) === undefined && !isExtensionKey(key) && value !== 'NotUnderstood',
  )
  return strange === undefined ? null : `Text has the strange key ${strange.key} ${shown()}`
}

const glimpse = (data: Buffer, at: number): string => data.toString('hex', at, at + 16)
