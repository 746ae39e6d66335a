// SPDX-License-Identifier: Apache-2.0
// Text requests after login: SendTargets, and keys that may change while the session runs (RFC 7143, 11.10).
import {
  type KeyValue,
  Opcode,
  RESERVED_TAG,
  RejectReason,
  TEXT_REQUEST,
  TEXT_RESPONSE,
  type TextPair,
} from '@lunkit/spec'
import type { Connection } from '../connection.ts'
import { sendTargets } from '../discovery.ts'
import { isAnswerOnly, Negotiation } from '../login/negotiate.ts'
import { sendLimit } from '../login/parameters.ts'
import { isVendorKey, VendorKeys } from '../login/vendor-keys.ts'
import { claimPdu, countStatus, sealAnswer, writeHead } from '../outbound/pdu.ts'
import type { IscsiTargetPort } from '../port.ts'
import { TextInbox, TextOutbox, textFault } from '../text.ts'

const { final, continue: continues, itt, ttt } = TEXT_REQUEST.field

/** The target's tag of a text exchange. There is one exchange at a time, so it need not tell several apart. */
const TEXT_TAG = 1
/** Longest piece of an answer. */
const PIECE_BYTES = 8192

/** A text exchange that takes more than one request. */
export class TextExchange {
  readonly inbox: TextInbox
  readonly outbox = new TextOutbox()
  readonly itt: number
  readonly negotiation: Negotiation
  readonly vendorKeys: VendorKeys | null
  /** SendTargets has come in it. */
  asked = false
  constructor(tag: number, { settings, wishes }: IscsiTargetPort, settled: ReadonlyMap<string, KeyValue>) {
    this.itt = tag
    this.inbox = new TextInbox(settings.limits.textBytes)
    this.negotiation = new Negotiation(wishes, settled)
    this.vendorKeys = settings.vendorKey === null ? null : new VendorKeys(settings.vendorKey)
  }
}

export function receiveText(
  connection: Connection,
  header: Buffer,
  at: number,
  data: readonly Buffer[],
): void {
  const tag = itt.get(header, at)
  const fault = continueText(connection, header, at, data, tag)
  if (fault === null) return
  // One that belongs to no exchange ends none.
  if (connection.text?.itt === tag) connection.text = null
  const reason = tag === RESERVED_TAG ? RejectReason.invalidPduField : RejectReason.protocolError
  connection.reject(reason, header, at, fault)
}

/** Goes on with an exchange, and answers; or returns what is wrong. */
function continueText(
  connection: Connection,
  header: Buffer,
  at: number,
  data: readonly Buffer[],
  tag: number,
): string | null {
  const isFinal = final.get(header, at) === 1
  const hasMore = continues.get(header, at) === 1
  if (tag === RESERVED_TAG) return 'Text request has the reserved tag'
  if (isFinal && hasMore) return 'Text request has both F and C set'
  const exchange = exchangeOf(connection, tag, ttt.get(header, at))
  if (exchange === null) return 'Text request belongs to no text exchange'
  connection.text = exchange
  if (exchange.outbox.pending) {
    if (hasMore || data.length > 0) return 'Text came before all was answered'
  } else {
    if (!exchange.inbox.add(data)) return 'Text is too long'
    if (hasMore) {
      send(connection, exchange, EMPTY, false, false)
      return null
    }
    const text = exchange.inbox.take()
    if (!text.ok) return textFault(text)
    const reply: TextPair[] = []
    const fault = negotiate(connection, exchange, text.pairs, reply)
    if (fault !== null) return fault
    exchange.outbox.put(reply)
  }
  const limit = Math.min(PIECE_BYTES, connection.sendLimit)
  const piece = exchange.outbox.next(limit)
  const more = exchange.outbox.pending
  send(connection, exchange, piece, more, isFinal && !more)
  return null
}

/** The exchange that a request starts or goes on with; null if it fits none. A new one takes the place of an old. */
function exchangeOf(connection: Connection, tag: number, transferTag: number): TextExchange | null {
  if (transferTag === RESERVED_TAG) return new TextExchange(tag, connection.port, connection.session!.settled)
  const { text } = connection
  return text !== null && transferTag === TEXT_TAG && text.itt === tag ? text : null
}

function negotiate(
  connection: Connection,
  exchange: TextExchange,
  pairs: readonly TextPair[],
  reply: TextPair[],
): string | null {
  const { negotiation, vendorKeys } = exchange
  const rest: TextPair[] = []
  for (const pair of pairs) {
    if (pair.key === 'SendTargets') {
      if (isAnswerOnly(pair.value)) return `Key SendTargets is offered as ${pair.value}`
      if (exchange.asked) return 'Key SendTargets came twice'
      exchange.asked = true
      reply.push(...sendTargets(connection, pair.value))
    } else if (vendorKeys === null || !isVendorKey(pair.key)) rest.push(pair)
  }
  if (!exchange.asked && connection.session!.target === null)
    return 'Text without SendTargets came in a discovery session'
  const fault = negotiation.answerAll(rest, 'full-feature', reply)
  if (fault !== null) return fault.reason
  return vendorKeys === null ? null : answerVendorKeys(connection, vendorKeys, pairs, reply)
}

function answerVendorKeys(
  connection: Connection,
  vendorKeys: VendorKeys,
  pairs: readonly TextPair[],
  reply: TextPair[],
): string | null {
  const { target, identity } = connection.session!
  const { initiator } = identity
  const from = target === null ? null : ({ initiator, target: target.name, stage: 'full-feature' } as const)
  try {
    return vendorKeys.answer(pairs, from, reply)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    connection.port.observe({ type: 'warning', reason: `The answer to an extension key failed: ${why}` })
    return 'The target failed to answer an extension key'
  }
}

/** What was negotiated holds when the exchange has come to its end (RFC 7143, 6.4). */
function commit(connection: Connection, { negotiation }: TextExchange): void {
  if (!negotiation.has('MaxRecvDataSegmentLength')) return
  connection.mostData = negotiation.value('MaxRecvDataSegmentLength') as number
  connection.sendLimit = sendLimit(connection.mostData)
}

/** `more`: the answer goes on in the next response. `ends`: nothing more is to come from either side. */
function send(
  connection: Connection,
  exchange: TextExchange,
  piece: Buffer,
  more: boolean,
  ends: boolean,
): void {
  const at = claimPdu(connection, piece.length)
  const { arena } = connection.out
  writeHead(arena, at, Opcode.textResponse, piece.length, exchange.itt)
  const { field } = TEXT_RESPONSE
  field.final.set(arena, at, ends ? 1 : 0)
  field.continue.set(arena, at, more ? 1 : 0)
  field.ttt.set(arena, at, ends ? RESERVED_TAG : TEXT_TAG)
  countStatus(connection, arena, at)
  piece.copy(arena, at + connection.headerBytes)
  sealAnswer(connection, arena, at, piece.length)
  if (ends) {
    connection.text = null
    commit(connection, exchange)
  }
  connection.kick()
}

const EMPTY = Buffer.alloc(0)
