// SPDX-License-Identifier: Apache-2.0
// Negotiates by text requests what may change in full feature phase: the lengths of data segments (RFC 7143, 6.4).
import { LoginError, TransportError } from '@lunkit/initiator-core'
import { encodeText, keyByName, parseText, textErrorText } from '@lunkit/spec'
import type { FullFeature } from './full-feature.ts'
import { Negotiation } from './negotiate.ts'
import { bounded } from './task-management.ts'

/** Requests after which a target is not going to agree any more. */
const ROUNDS = 20

/**
 * `maxRecvDataSegmentLength` is declared anew where it is given; else what holds is declared again. Comes after a
 * negotiation that is under way.
 */
export function renegotiate(link: FullFeature, maxRecvDataSegmentLength?: number): Promise<void> {
  const before = link.negotiating ?? Promise.resolve()
  const mine = before.catch(() => {}).then(() => negotiate(link, maxRecvDataSegmentLength ?? link.declared))
  const last = mine.finally(() => {
    if (link.negotiating === last) link.negotiating = null
  })
  link.negotiating = last
  return last
}

async function negotiate(link: FullFeature, mine: number): Promise<void> {
  const { connection, exchanges, declared } = link
  // What was sent before the target has read this may still be longer.
  connection.framer.maxDataLength = Math.max(connection.framer.maxDataLength, mine)
  link.declared = mine
  link.declarations++
  const negotiation = new Negotiation({ MaxRecvDataSegmentLength: String(mine) }, {})
  let rounds = 0
  let isOver = false
  const receive = (answer: Uint8Array): void => {
    if (++rounds > ROUNDS) throw broken(`did not come to an end in ${ROUNDS} text requests`)
    for (const pair of readPairs(answer)) {
      const use = keyByName(pair.key)?.use
      if (use === 'leading-only' || use === 'initial-only') throw broken(`sent ${pair.key} after login`)
      negotiation.receive(pair)
    }
  }
  const reply = (answer: Uint8Array): Uint8Array => {
    receive(answer)
    return encodeText(negotiation.answers())
  }
  let send = negotiation.offers()
  try {
    do {
      const asked = exchanges.text(encodeText(send), link.settings.maxSendDataLength, reply)
      const answer = await bounded(link, asked, 'a text request')
      if (!isOver) link.declarations++
      isOver = true
      receive(answer)
      send = negotiation.answers()
    } while (send.length > 0)
  } catch (error) {
    if (error instanceof LoginError) throw fail(link, error.message)
    if (error instanceof TransportError && error.code === 'TRANSPORT_PROTOCOL')
      throw fail(link, error.message)
    if (!isOver) {
      // The exchange has failed as a whole: what held before holds on (RFC 7143, 7.12).
      link.declared = declared
      link.declarations++
    }
    throw error
  }
  const theirs = negotiation.report().get('MaxRecvDataSegmentLength')
  if (theirs !== undefined) link.settings = { ...link.settings, maxSendDataLength: Number(theirs) }
}

function readPairs(answer: Uint8Array) {
  const text = parseText(answer)
  if (!text.ok) throw broken(`sent a text that cannot be read: ${textErrorText(text.error)}`)
  return text.pairs
}

function fail(link: FullFeature, message: string): TransportError {
  const error = new TransportError('TRANSPORT_PROTOCOL', message)
  link.connection.fail(error)
  return error
}

const broken = (what: string): LoginError => new LoginError('LOGIN_PROTOCOL', `The target ${what}`)
