// SPDX-License-Identifier: Apache-2.0
// One text exchange: the request in pieces, then the answer in pieces, as C, F and the tags say (RFC 7143, 11.10 and 11.11).
import { TransportError } from '@lunkit/initiator-core'
import { RESERVED_TAG, TEXT_RESPONSE } from '@lunkit/spec'

/** Longest answer to a text request, all pieces together. */
const TEXT_BYTES = 16 * 1024 * 1024
const NO_LUN = new Uint8Array(8)
const NO_TEXT = new Uint8Array(0)
const field = TEXT_RESPONSE.field

/** What one request says. LUN and transfer tag are those of the answer before it. */
export interface TextPiece {
  readonly text: Uint8Array
  /** False where the text goes on in the next request. */
  readonly isLast: boolean
  readonly lun: Uint8Array
  readonly ttt: number
}

export interface TextAnswer {
  readonly data: Uint8Array
  readonly final: boolean
  /** The text goes on in the next answer. */
  readonly goesOn: boolean
  readonly lun: Uint8Array
  readonly ttt: number
}

export const readTextAnswer = (header: Uint8Array, data: Uint8Array): TextAnswer => ({
  data,
  final: field.final.get(header, 0) === 1,
  goesOn: field.continue.get(header, 0) === 1,
  lun: field.lun.get(header, 0).slice(),
  ttt: field.ttt.get(header, 0),
})

/** Takes a whole answer that does not end the exchange; gives the text that the target wants in return. */
export type TextReply = (answer: Uint8Array) => Uint8Array

/**
 * Sends a text by `ask`, at most `limit` bytes at a time, and resolves to the whole answer, or, with `reply`, to the last
 * one. Rejects with a TransportError where the target breaks the rules.
 */
export async function exchangeText(
  ask: (piece: TextPiece) => Promise<TextAnswer>,
  first: Uint8Array,
  limit: number,
  reply: TextReply | null,
): Promise<Uint8Array> {
  let text = first
  const pieces: Uint8Array[] = []
  let length = 0
  let sent = 0
  let lun: Uint8Array = NO_LUN
  let ttt: number = RESERVED_TAG
  for (;;) {
    const end = Math.min(text.length, sent + limit)
    const isLast = end === text.length
    const piece = sent < end ? text.subarray(sent, end) : NO_TEXT
    const answer = await ask({ text: piece, isLast, lun, ttt })
    sent = end
    length += answer.data.length
    if (length > TEXT_BYTES) throw broken(`sent an answer to a text request of over ${TEXT_BYTES} bytes`)
    if (answer.final && answer.goesOn) throw broken('set both F and C in a text response')
    if (!isLast && (answer.final || answer.data.length > 0))
      throw broken('answered a text request that was not at its end')
    pieces.push(answer.data)
    if (answer.final) return Buffer.concat(pieces)
    if (answer.ttt === RESERVED_TAG) throw broken('left a text answer open without a transfer tag')
    lun = answer.lun
    ttt = answer.ttt
    if (reply === null || !isLast || answer.goesOn) continue
    text = reply(Buffer.concat(pieces.splice(0)))
    sent = 0
  }
}

const broken = (what: string): TransportError =>
  new TransportError('TRANSPORT_PROTOCOL', `The target ${what}`)
