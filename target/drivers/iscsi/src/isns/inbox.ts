// SPDX-License-Identifier: Apache-2.0
// From bytes to iSNS messages: PDUs cut out of a stream and put together, with limits on what a peer may send.
import { ISNS_HEADER, ISNS_HEADER_BYTES, ISNS_VERSION, IsnsFlag } from '@lunkit/spec'

export interface IsnsMessage {
  readonly functionId: number
  readonly flags: number
  readonly transaction: number
  readonly payload: Buffer
}

/** Longest message in bytes, of as many PDUs as it takes. */
const LONGEST_MESSAGE = 1024 * 1024

/** The peer's bytes make no sense; nothing after them can be trusted. */
export class IsnsFormatError extends Error {}

export class IsnsInbox {
  #bytes: Buffer = Buffer.alloc(0)
  readonly #parts: Buffer[] = []
  #length = 0
  #sequence = 0
  #first: { functionId: number; transaction: number } | null = null

  /** Takes a chunk; gives the messages that are whole. Throws IsnsFormatError. */
  push(chunk: Buffer): IsnsMessage[] {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
    const messages: IsnsMessage[] = []
    for (;;) {
      const bytes = this.#bytes
      if (bytes.length < ISNS_HEADER_BYTES) break
      const header = ISNS_HEADER.read(bytes)
      if (header.version !== ISNS_VERSION) throw new IsnsFormatError(`Version ${header.version} is not known`)
      const end = ISNS_HEADER_BYTES + header.length
      if (bytes.length < end) break
      this.#bytes = bytes.subarray(end)
      const message = this.#take(header, bytes.subarray(ISNS_HEADER_BYTES, end))
      if (message !== null) messages.push(message)
    }
    return messages
  }

  #take(
    { functionId, flags, transaction, sequence }: ReturnType<typeof ISNS_HEADER.read>,
    payload: Buffer,
  ): IsnsMessage | null {
    const begins = (flags & IsnsFlag.firstPdu) !== 0
    if (begins !== (this.#first === null) || sequence !== this.#sequence)
      throw new IsnsFormatError('PDUs of a message are out of order')
    this.#first ??= { functionId, transaction }
    if (this.#first.functionId !== functionId || this.#first.transaction !== transaction)
      throw new IsnsFormatError('PDUs of two messages are mixed')
    this.#length += payload.length
    if (this.#length > LONGEST_MESSAGE) throw new IsnsFormatError('Message is too long')
    // Copied: a slice would keep its whole chunk.
    this.#parts.push(Buffer.from(payload))
    this.#sequence++
    if ((flags & IsnsFlag.lastPdu) === 0) {
      if (payload.length === 0) throw new IsnsFormatError('PDU carries nothing')
      return null
    }
    const whole = Buffer.concat(this.#parts)
    this.#parts.length = 0
    this.#length = 0
    this.#sequence = 0
    this.#first = null
    return { functionId, flags, transaction, payload: whole }
  }
}
