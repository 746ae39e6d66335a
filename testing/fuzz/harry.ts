// SPDX-License-Identifier: Apache-2.0
// Bad peers at the target whose operator never rests: nothing is owed to them, but it must live and send no broken PDU.
import { connect as connectTls } from 'node:tls'
import { Peer, type Place } from './peer.ts'
import { Random } from './random.ts'
import type { Scenario } from './scenario.ts'

/** Runs a scenario whose ends may be any; gives what the target did wrong, or null. */
export async function harry(place: Place, scenario: Scenario, seed: number): Promise<string | null> {
  const random = new Random(seed)
  let peer: Peer
  try {
    peer = await Peer.open(place, `iqn.2026-11.org.example:fuzz.${seed}`)
  } catch {
    // Refused, for now.
    return null
  }
  // Its LUNs hold anything.
  peer.loose = true
  try {
    await Promise.race([scenario.run(peer, random), pause(random.range(100, 4000))])
  } catch {
    // Whatever was expected there, it was refused.
  }
  const all = [peer, ...peer.mates]
  for (const one of all) one.leave()
  return all.find(({ complaints }) => complaints.length > 0)?.complaints[0] ?? null
}

const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

/** What may come to a portal with TLS: no TLS at all, half of a handshake, a broken one, and garbage within a whole one. */
export async function harryTls(place: Place, hello: Buffer, seed: number): Promise<void> {
  const random = new Random(seed)
  if (random.chance(0.3)) {
    const socket = connectTls({ host: place.host, port: place.port, rejectUnauthorized: false })
    socket.on('error', () => undefined)
    await new Promise<void>(resolve => {
      socket.once('secureConnect', () => {
        for (let i = random.range(0, 8); i > 0; i--) socket.write(random.bytes(random.range(1, 4096)))
        resolve()
      })
      socket.once('close', () => resolve())
      setTimeout(resolve, 2000)
    })
    await pause(random.range(0, 50))
    socket.destroy()
    return
  }
  const peer = await Peer.open(place, 'nobody').catch(() => null)
  if (peer === null) return
  const bytes = Buffer.from(hello)
  if (random.chance(0.6))
    for (let i = random.range(1, 8); i > 0; i--) bytes[random.range(0, bytes.length - 1)] = random.next()
  const end = random.chance(0.5) ? bytes.length : random.range(0, bytes.length)
  peer.send(random.chance(0.2) ? random.bytes(random.range(1, 20_000)) : bytes.subarray(0, end))
  for (let i = random.range(0, 4); i > 0; i--) peer.send(random.bytes(random.range(1, 2000)))
  await pause(random.range(0, 100))
  peer.leave(random.pick(['end', 'destroy']))
}
