// SPDX-License-Identifier: Apache-2.0
// Random requests to a store, held against a buffer that does the same.
import assert from 'node:assert/strict'
import { StoreError } from '@lunkit/target-api'
import fc from 'fast-check'
import { pattern, type StoreExchange } from './store-exchange.ts'
import type { Case } from './store-suite.ts'

const SPACE = 1048576
const LONGEST = 150_000

interface Step {
  readonly call: 'read' | 'write' | 'forced' | 'flush' | 'discard' | 'writeZeroes'
  readonly offset: number
  readonly length: number
  readonly cut: number
  readonly seed: number
}

const step: fc.Arbitrary<Step> = fc.record({
  call: fc.constantFrom('read', 'read', 'write', 'write', 'forced', 'flush', 'discard', 'writeZeroes'),
  offset: fc.oneof(
    fc.integer({ min: 0, max: SPACE }),
    fc.integer({ min: 0, max: SPACE / 512 }).map(block => block * 512),
  ),
  length: fc.oneof(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 0, max: LONGEST })),
  cut: fc.integer({ min: 1, max: LONGEST }),
  seed: fc.nat(),
})

/** `forgets`: the store reads zeros whatever was written. */
export function modelCases(forgets: boolean): Case[] {
  return [
    {
      title: 'behaves as a buffer does, request by request',
      writes: true,
      run: async exchange => {
        const model = await exchange.bytes(0, SPACE)
        await fc.assert(
          fc.asyncProperty(fc.array(step, { maxLength: 12 }), async steps => {
            for (const each of steps) await take(exchange, each, model, forgets)
          }),
          { numRuns: 40 },
        )
        assert.ok((await exchange.bytes(0, SPACE)).equals(model))
      },
    },
    {
      title: 'behaves as a buffer does, with requests side by side',
      writes: true,
      run: async exchange => {
        const model = await exchange.bytes(0, SPACE)
        await fc.assert(
          fc.asyncProperty(fc.array(step, { minLength: 8, maxLength: 8 }), async steps => {
            // Each has an eighth for itself, so that their order does not matter.
            const share = SPACE / 8
            const apart = steps.map((each, i) => ({
              ...each,
              offset: i * share + (each.offset % share),
              length: Math.min(each.length, share - (each.offset % share)),
            }))
            await Promise.all(apart.map(each => take(exchange, each, model, forgets)))
          }),
          { numRuns: 25 },
        )
        assert.ok((await exchange.bytes(0, SPACE)).equals(model))
      },
    },
  ]
}

async function take(exchange: StoreExchange, each: Step, model: Buffer, forgets: boolean): Promise<void> {
  const { store } = exchange
  const { call, offset } = each
  const length = Math.min(each.length, SPACE - offset)
  const end = offset + length
  if (call === 'read') {
    const first = Math.min(each.cut, length)
    const bytes = await exchange.bytes(offset, first, length - first)
    assert.ok(bytes.equals(model.subarray(offset, end)), `read of ${length} at ${offset}`)
  } else if (call === 'write' || call === 'forced') {
    const data = pattern(length, each.seed)
    await exchange.wrote(offset, data, [each.cut], call === 'forced')
    if (!forgets) data.copy(model, offset)
  } else if (call === 'flush') {
    assert.equal((await exchange.flush()).error, StoreError.none)
  } else if (call === 'discard' && store.discards === 'native') {
    assert.equal((await exchange.range(call, offset, length)).error, StoreError.none)
    const left = await exchange.bytes(offset, length)
    left.copy(model, offset)
  } else if (call === 'writeZeroes' && store.writesZeroes === 'native') {
    assert.equal((await exchange.range(call, offset, length)).error, StoreError.none)
    model.fill(0, offset, end)
  }
}
