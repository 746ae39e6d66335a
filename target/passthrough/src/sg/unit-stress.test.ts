// SPDX-License-Identifier: Apache-2.0
// The bridge while everything happens at once: in whatever order, each command is answered once, and the kernel got them in order.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import type { BridgeAnswer, BridgeRequest } from '../bridge.ts'
import { type End, FakeKernel } from './fake-kernel.test-kit.ts'
import { SeveralFiles } from './several-files.ts'
import { SgUnit } from './unit.ts'

type Step =
  | { readonly do: 'execute'; readonly count: number; readonly out: boolean }
  | { readonly do: 'end'; readonly which: number; readonly end: End }
  | { readonly do: 'fail'; readonly call: 'open' | 'reset' | 'submit'; readonly how: string }
  | { readonly do: 'take'; readonly most: number }
  | { readonly do: 'cancel'; readonly which: number }
  | { readonly do: 'turn' | 'reset' | 'hang up' }

const ENDS: readonly End[] = [
  {},
  { status: 2, sense: Uint8Array.of(0x70, 0, 5) },
  { host: 1 },
  { host: 3 },
  { host: 8 },
]

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('execute' as const),
      count: fc.integer({ min: 1, max: 12 }),
      out: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('end' as const),
      which: fc.nat(40),
      end: fc.constantFrom(...ENDS),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('turn' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('fail' as const),
      call: fc.constantFrom('open' as const, 'reset' as const, 'submit' as const),
      how: fc.constantFrom('ENODEV', 'EINVAL', 'ENOMEM', 'EACCES', 'EIO'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cancel' as const), which: fc.nat(400) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('take' as const), most: fc.integer({ min: 1, max: 16 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('reset' as const, 'hang up' as const) }) },
)

class Run {
  readonly kernel = new FakeKernel()
  readonly answers: BridgeAnswer[][] = []
  readonly requests: BridgeRequest[] = []
  unit: SgUnit | null = null

  /** `depth`: most commands under way. */
  async open(depth: number): Promise<void> {
    const calls = new SeveralFiles(this.kernel, Math.ceil(depth / 16))
    const fd = await new Promise<number>(resolve => calls.open('/dev/sg0', (_, file) => resolve(file)))
    this.unit = new SgUnit(calls, '/dev/sg0', fd, () => Promise.reject(new Error('it is away')), depth)
  }

  execute(out: boolean): void {
    const mine: BridgeAnswer[] = []
    const number = this.answers.push(mine) - 1
    const data = Buffer.alloc(8, number)
    const request: BridgeRequest = {
      cdb: Uint8Array.of(0, 0, 0, number >> 8, number & 0xff, 0),
      direction: out ? 'out' : 'in',
      dataOut: out ? [data.subarray(0, 3), data.subarray(3)] : [],
      dataIn: out ? Buffer.alloc(0) : data,
      timeout: 60000,
      cancel: null,
      finish: answer => {
        mine.push(answer)
        // Some initiators go on at once
        if (mine.length === 1 && number % 7 === 0 && this.answers.length < 400) this.execute(!out)
      },
    }
    this.requests.push(request)
    this.unit!.execute(request)
  }

  async take(one: Step): Promise<void> {
    const { kernel } = this
    if (one.do === 'execute') for (let i = 0; i < one.count; i++) this.execute(one.out)
    else if (one.do === 'end') {
      const under = kernel.underWay().filter(({ end }) => end === null)
      if (under.length > 0) kernel.end(one.end, under[one.which % under.length]!)
    } else if (one.do === 'fail') kernel.failures[one.call].push(one.how)
    else if (one.do === 'take') kernel.mostTaken = one.most
    else if (one.do === 'cancel') this.cancel(one.which)
    else if (one.do === 'turn') await turn()
    else if (one.do === 'reset') this.unit!.reset()
    else kernel.hangUp()
  }

  /** As pass-through does it: once. */
  cancel(which: number): void {
    const request = this.requests[which % Math.max(this.requests.length, 1)]
    const cancel = request?.cancel ?? null
    if (request === undefined || cancel === null) return
    request.cancel = null
    cancel()
  }

  /** All that is under way ends. */
  async settle(): Promise<void> {
    for (let i = 0; i < 200 && this.answers.some(({ length }) => length === 0); i++) {
      await turn()
      const open = this.kernel.underWay().filter(({ end }) => end === null)
      if (open.length > 0) this.kernel.end({}, ...open)
    }
    this.unit!.close()
    for (let i = 0; i < 5; i++) await turn()
  }
}

test('each command is answered once, in whatever order things happen', async () => {
  const property = fc.asyncProperty(
    fc.constantFrom(1, 16, 40),
    fc.array(step, { minLength: 5, maxLength: 60 }),
    async (depth, steps) => {
      const run = new Run()
      await run.open(depth)
      for (const one of steps) await run.take(one)
      await run.settle()
      assert.ok(run.answers.every(({ length }) => length === 1))
      const numbers = run.kernel.given.map(({ cdb }) => cdb.readUInt16BE(3))
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
      )
      for (const { data, cdb } of run.kernel.given) assert.ok(data.every(byte => byte === cdb[4]))
      assert.equal(run.kernel.expected, 0)
      assert.deepEqual(run.kernel.openFiles(), [])
    },
  )
  await fc.assert(property, { numRuns: 250 })
})
