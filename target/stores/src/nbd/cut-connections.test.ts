// SPDX-License-Identifier: Apache-2.0
// Connections that are cut at any moment, one or all of four, while all kinds of requests are under way: bytes are what a buffer says.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { readParameters, StoreError } from '@lunkit/target-api'
import { nbdPeer, PEER_FLAGS } from '@lunkit/testing/kit/nbd-peer.ts'
import { scratch } from '@lunkit/testing/kit/scratch.ts'
import { pattern, StoreExchange } from '@lunkit/testing/kit/store-exchange.ts'
import { store } from './store.ts'

const MULTI_CONN = 0x100
const SIZE = 4 << 20
const WORKERS = 16
const CUTS = 12

/** Numbers that look random, the same in each run. */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 8) % below
  }
}

for (const [name, blocks] of Object.entries({
  'single bytes': [1, 4096, 1 << 20],
  'blocks of 4096 and pieces of 16 KiB': [4096, 4096, 16_384],
} as const)) {
  test(`a server of ${name}, and connections that are cut`, async t => {
    const path = join(await scratch(t), 's')
    const peer = await nbdPeer(t, path, { flags: PEER_FLAGS | MULTI_CONN, size: SIZE, blocks })
    const values = readParameters('nbd', store.parameters, { uri: peer.uri, timeout: '60', wait: '60' })
    const exchange = new StoreExchange(await store.open(values))
    t.after(() => exchange.close())
    const model = Buffer.alloc(SIZE)
    const share = SIZE / WORKERS
    let over = false
    const worker = async (which: number): Promise<void> => {
      const next = numbers(which)
      while (!over) {
        const length = 1 + next(40_000)
        // Shares end within a block, so that neighbours meet in it.
        const offset = which * share + 100 + next(share - 200 - length)
        const kind = next(10)
        if (kind < 5) {
          const bytes = pattern(length, next(1 << 20))
          await exchange.wrote(offset, bytes, [next(length)], kind === 0)
          bytes.copy(model, offset)
        } else if (kind < 6) {
          const { error } = await exchange.range(next(2) === 0 ? 'writeZeroes' : 'discard', offset, length)
          assert.equal(error, StoreError.none)
          model.fill(0, offset, offset + length)
        } else if (kind < 9) {
          const bytes = await exchange.bytes(offset, length >> 1, length - (length >> 1))
          assert.ok(bytes.equals(model.subarray(offset, offset + length)), `${length} at ${offset}`)
        } else await exchange.flush()
      }
    }
    const workers = Promise.all(Array.from({ length: WORKERS }, (_, i) => worker(i))).finally(() => {
      over = true
    })
    const next = numbers(99)
    for (let cut = 0; cut < CUTS && !over; ) {
      await sleep(20 + next(100))
      const all = [...peer.connections]
      const chosen = next(3) === 0 ? all : all.slice(0, 1)
      for (const { socket } of chosen) socket.destroy()
      if (chosen.length > 0) cut++
    }
    over = true
    await workers
    assert.ok((await exchange.bytes(0, SIZE)).equals(model))
  })
}
