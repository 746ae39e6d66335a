// SPDX-License-Identifier: Apache-2.0
// One connection of a fuzz peer: what it does, whether it got what it was owed, and what it saw that was wrong.
import { LOGIN_RESPONSE, Opcode, SCSI_RESPONSE } from '@lunkit/spec'
import type { EventLog } from './event-log.ts'
import { Peer, type Place } from './peer.ts'
import { Random } from './random.ts'
import type { Scenario } from './scenario.ts'
import type { Answer } from './wire.ts'

/** Far above what a busy machine takes; below every time limit of the target. */
const PATIENCE_MS = 10_000
const CHECK_CONDITION = 2

/** Runs one scenario with one seed. Gives what went wrong, or null. */
export async function runOnce(
  place: Place,
  scenario: Scenario,
  seed: number,
  events: EventLog,
): Promise<string | null> {
  const random = new Random(seed)
  const name = `iqn.2026-11.org.example:fuzz.${seed}`
  let peer = await Peer.open(place, name)
  while (!events.claim(peer.address)) {
    peer.leave()
    peer = await Peer.open(place, name)
  }
  let failure: string | null = null
  try {
    await scenario.run(peer, random)
    failure = await settle(peer, scenario, events)
  } catch (error) {
    failure = (error as Error).message
  } finally {
    for (const one of [peer, ...peer.mates]) {
      if (random.chance(0.3)) one.stall()
      one.leave()
    }
    events.release(peer.address)
  }
  return [peer, ...peer.mates].find(({ complaints }) => complaints.length > 0)?.complaints[0] ?? failure
}

async function settle(peer: Peer, { owed }: Scenario, events: EventLog): Promise<string | null> {
  if (owed === 'nothing') return null
  if (owed === 'either' && peer.closed) return null
  if (owed === 'echo' || owed === 'either') {
    const lives = (await peer.ping(PATIENCE_MS)) || (owed === 'either' && peer.closed)
    return lives ? null : `Ping got no echo (closed: ${peer.closed})`
  }
  if (owed === 'login') {
    if (!(await peer.untilClosed(PATIENCE_MS))) return 'Connection is open after a login that must fail'
    const success = peer.answers.some(answer => isLastLoginAnswer(answer))
    if (success) return 'Login that must fail was accepted'
  } else {
    const answer = await peer.answer(one => isRefusal(one, owed === 'sense'), PATIENCE_MS)
    if (answer === null && !peer.closed) return 'Peer was neither refused nor cut off'
    if (answer?.opcode === Opcode.scsiResponse) return null
  }
  return (await events.hasFault(peer.address, PATIENCE_MS)) ? null : 'No event tells of the fault'
}

function isRefusal({ opcode, header }: Answer, maySense: boolean): boolean {
  if (opcode === Opcode.reject) return true
  return (
    maySense &&
    opcode === Opcode.scsiResponse &&
    SCSI_RESPONSE.field.status.get(header, 0) === CHECK_CONDITION
  )
}

/** The answer that ends a login well. */
function isLastLoginAnswer({ opcode, header }: Answer): boolean {
  if (opcode !== Opcode.loginResponse) return false
  const { statusClass, transit, nsg } = LOGIN_RESPONSE.read(header)
  return statusClass === 0 && transit === 1 && nsg === 3
}
