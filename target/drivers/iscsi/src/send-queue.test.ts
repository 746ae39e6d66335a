// SPDX-License-Identifier: Apache-2.0
// How much one write takes, of a peer that reads at once and of one that does not.
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import type { Engine } from '@lunkit/target-api'
import type { ConnectionCounters } from './connection-counters.ts'
import { SendQueue } from './send-queue.ts'

const MIB = 1024 * 1024

/** A socket whose writes end when told, and what each of them held. */
class Held {
  readonly writes: number[] = []
  #bytes = 0
  #through: () => void = () => undefined

  cork(): void {}
  uncork(): void {}
  write(buffer: Buffer, through?: () => void): boolean {
    this.#bytes += buffer.length
    if (through === undefined) return true
    this.writes.push(this.#bytes)
    this.#bytes = 0
    this.#through = through
    return true
  }
  end(): void {
    this.#through()
  }
}

test('a write takes 4 MiB where the last one was through within a tick of the clock, else 1 MiB', () => {
  const socket = new Held()
  const owner = { port: { clock: 7 }, written: () => undefined }
  const out = new SendQueue(socket as unknown as Socket, {} as Engine, owner, {
    bytesOut: 0,
  } as ConnectionCounters)
  const piece = Buffer.alloc(MIB / 4)
  for (let i = 0; i < 4 * 14; i++) out.push(piece)
  out.flush()
  socket.end()
  socket.end()
  owner.port.clock += 2
  socket.end()
  owner.port.clock += 2
  socket.end()
  owner.port.clock += 1
  socket.end()
  assert.deepEqual(socket.writes, [MIB, 4 * MIB, 4 * MIB, MIB, MIB, 3 * MIB])
  socket.end()
  assert.equal(out.queued, 0)
  assert.equal(out.writes, 6)
})
