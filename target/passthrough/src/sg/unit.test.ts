// SPDX-License-Identifier: Apache-2.0
// The bridge against a SCSI generic driver in memory: order, data, sense, refusals, resets, and a unit that goes and comes.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { BridgeAnswer, BridgeRequest, Direction } from '../bridge.ts'
import { FakeKernel } from './fake-kernel.test-kit.ts'
import { SeveralFiles } from './several-files.ts'
import { SgUnit } from './unit.ts'

const PATH = '/dev/sg3'

class Request implements BridgeRequest {
  readonly cdb: Uint8Array
  readonly direction: Direction
  readonly dataOut: readonly Buffer[]
  readonly dataIn: Buffer
  timeout = 7000
  cancel: (() => void) | null = null
  readonly answers: BridgeAnswer[] = []
  next: (() => void) | null = null
  constructor(cdb: readonly number[], data: Buffer | readonly Buffer[] = [], direction?: Direction) {
    this.cdb = Uint8Array.from(cdb)
    const [into, out] = Buffer.isBuffer(data) ? [data, []] : [Buffer.alloc(0), data]
    this.dataIn = into
    this.dataOut = out
    this.direction = direction ?? (Buffer.isBuffer(data) ? 'in' : out.length > 0 ? 'out' : 'none')
  }

  finish(answer: BridgeAnswer): void {
    this.answers.push(answer)
    this.next?.()
  }

  get outcome(): string {
    return this.answers.map(({ outcome }) => outcome).join()
  }
}

const TUR = (mark: number): Request => new Request([0, 0, 0, 0, mark, 0])
const marks = (kernel: FakeKernel): number[] => kernel.given.map(({ cdb }) => cdb[4]!)

async function opened(
  find: () => Promise<string> = () => Promise.reject(new Error('it is away')),
  depth = 16,
) {
  const kernel = new FakeKernel()
  const calls = depth > 16 ? new SeveralFiles(kernel, Math.ceil(depth / 16)) : kernel
  const fd = await new Promise<number>(resolve => calls.open(PATH, (_, file) => resolve(file)))
  return { kernel, unit: new SgUnit(calls, PATH, fd, find, depth) }
}

/** Long enough for what calls have on their way. */
async function settle(): Promise<void> {
  for (let i = 0; i < 12; i++) await turn()
}

test('commands reach the kernel in their order, at the tail, 16 at a time', async () => {
  const { kernel, unit } = await opened()
  kernel.mostTaken = 3
  const all = Array.from({ length: 50 }, (_, i) => TUR(i))
  for (const one of all) unit.execute(one)
  for (let ended = 0; ended < 50; ) {
    await settle()
    const under = kernel.underWay()
    assert.ok(under.length <= 16 && under.length > 0)
    // They end from the last to the first
    kernel.end({}, ...under.slice(-3).reverse())
    ended += Math.min(3, under.length)
  }
  assert.deepEqual(marks(kernel), [...Array(50).keys()])
  assert.ok(all.every(({ outcome }) => outcome === 'done'))
  assert.equal(kernel.expected, 0)
})

test('an adapter that takes more than one file can is given them over several files, in order', async () => {
  const { kernel, unit } = await opened(undefined, 40)
  const all = Array.from({ length: 90 }, (_, i) => TUR(i))
  for (const one of all) unit.execute(one)
  for (let i = 0; i < 4; i++) await settle()
  assert.equal(kernel.underWay().length, 40)
  assert.equal(kernel.openFiles().length, 3)
  while (all.some(({ answers }) => answers.length === 0)) {
    kernel.end({}, ...kernel.underWay().filter((_, i) => i % 3 !== 0))
    kernel.end({}, ...kernel.underWay().slice(0, 2))
    await settle()
  }
  assert.deepEqual(marks(kernel), [...Array(90).keys()])
  assert.ok(all.every(({ outcome }) => outcome === 'done'))
  unit.close()
  assert.deepEqual(kernel.openFiles(), [])
})

test('of several files none stays open if one cannot be opened', async () => {
  const kernel = new FakeKernel()
  const calls = new SeveralFiles(kernel, 3)
  kernel.failures.open.push('', '', 'EMFILE')
  assert.equal(await new Promise<string>(done => calls.open(PATH, failure => done(failure))), 'EMFILE')
  assert.deepEqual(kernel.openFiles(), [])
})

test('a command that follows from an answer comes behind those that were there before', async () => {
  const { kernel, unit } = await opened()
  const first = TUR(1)
  first.next = () => unit.execute(TUR(3))
  unit.execute(first)
  await settle()
  unit.execute(TUR(2))
  kernel.end({}, ...kernel.underWay())
  await settle()
  assert.deepEqual(marks(kernel), [1, 2, 3])
})

test('data leave the pieces and reach the memory that the initiator’s command has', async () => {
  const { kernel, unit } = await opened()
  const pieces = [Buffer.from('real'), Buffer.alloc(0), Buffer.from(' unit')]
  const out = new Request([0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0], pieces)
  const room = Buffer.alloc(8, 0xee)
  const into = new Request([0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0], room)
  const nothing = new Request([0x28, 0, 0, 0, 0, 0, 0, 0, 0, 0], Buffer.alloc(0))
  for (const one of [out, into, nothing]) unit.execute(one)
  await settle()
  const [write, read, empty] = kernel.underWay()
  assert.equal(write!.data.toString(), 'real unit')
  assert.deepEqual([write!.direction, read!.direction, empty!.direction], [-2, -3, -1])
  assert.equal(write!.timeout, 7000)
  assert.deepEqual([...write!.cdb], [...out.cdb])
  kernel.end({ residual: 2 }, write!)
  kernel.end({ residual: 3, data: Buffer.from('abcde') }, read!)
  kernel.end({}, empty!)
  assert.equal(out.answers[0]!.outResidual, 2)
  assert.equal(into.answers[0]!.received, 5)
  assert.equal(room.toString('latin1', 0, 5), 'abcde')
  assert.equal(nothing.answers[0]!.received, 0)
})

test('data in more pieces than a list has are whole', async () => {
  const { kernel, unit } = await opened()
  const pieces = Array.from({ length: 300 }, (_, i) => Buffer.alloc(1 + (i % 3), i))
  unit.execute(new Request([0x2a, 0, 0, 0, 0, 0, 0, 0, 1, 0], pieces))
  await settle()
  assert.ok(kernel.underWay()[0]!.data.equals(Buffer.concat(pieces)))
})

test('status and sense data are the unit’s, and stay when the next command has others', async () => {
  const { kernel, unit } = await opened()
  const [first, second] = [TUR(1), TUR(2)]
  const sense = Uint8Array.of(0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x29, 0, 0, 0, 0, 0)
  for (const one of [first, second]) {
    unit.execute(one)
    await settle()
    kernel.end(
      { status: 2, sense: one === first ? sense : Uint8Array.of(0x72, 5), driver: 8 },
      ...kernel.underWay(),
    )
  }
  assert.equal(first.answers[0]!.status, 2)
  assert.deepEqual([...first.answers[0]!.sense], [...sense])
  assert.deepEqual([...second.answers[0]!.sense], [0x72, 5])
})

test('what the host adapter says is told from what the unit says', async () => {
  const { kernel, unit } = await opened()
  const rows: [end: Parameters<FakeKernel['end']>[0], outcome: string, status: number][] = [
    [{ host: 3 }, 'ended', 0],
    [{ driver: 6 }, 'ended', 0],
    [{ host: 5 }, 'ended', 0],
    [{ host: 8, status: 2 }, 'ended', 0],
    [{ host: 2 }, 'done', 8],
    [{ host: 0x0d }, 'done', 8],
    [{ host: 0x11, status: 0x18 }, 'done', 0x18],
    [{ host: 0x77 }, 'ended', 0],
    [{ status: 0x28 }, 'done', 0x28],
  ]
  for (const [end, outcome, status] of rows) {
    const one = TUR(0)
    unit.execute(one)
    await settle()
    kernel.end(end, ...kernel.underWay())
    const [answer] = one.answers
    assert.deepEqual([answer?.outcome, answer?.status], [outcome, status], JSON.stringify(end))
    assert.equal(answer?.reason === '', outcome === 'done')
  }
})

test('what the kernel does not take concerns that command alone', async () => {
  const { kernel, unit } = await opened()
  kernel.failures.submit.push('EINVAL', 'EPERM', 'ENOMEM', 'EIO')
  const all = Array.from({ length: 6 }, (_, i) => TUR(i))
  for (const one of all) unit.execute(one)
  await settle()
  await settle()
  kernel.end({}, ...kernel.underWay())
  assert.deepEqual(
    all.map(({ outcome }) => outcome),
    ['refused', 'refused', 'done', 'ended', 'done', 'done'],
  )
  assert.equal(all[2]!.answers[0]!.status, 8)
  assert.deepEqual(marks(kernel), [4, 5])
})

test('what Linux cannot send is refused', async () => {
  const { kernel, unit } = await opened()
  const both = new Request([0x53, 0, 0, 0, 0, 0, 0, 0, 1, 0], [Buffer.alloc(512)], 'both')
  const long = new Request(Array(260).fill(0x7f))
  for (const one of [both, long]) {
    unit.execute(one)
    assert.equal(one.outcome, 'refused')
  }
  await settle()
  assert.equal(kernel.given.length, 0)
})

test('a unit that is taken away loses what it had, and is found again under another name', async () => {
  let where = Promise.reject<string>(new Error('it is away'))
  where.catch(() => {})
  const { kernel, unit } = await opened(() => where)
  const all = Array.from({ length: 20 }, (_, i) => TUR(i))
  for (const one of all) unit.execute(one)
  await settle()
  const [ended] = kernel.underWay()
  ended!.end = {}
  kernel.hangUp()
  await settle()
  // What had ended is told as it ended
  assert.deepEqual(
    all.map(({ outcome }) => outcome),
    ['done', ...Array(19).fill('lost')],
  )
  assert.equal(all[1]!.answers[0]!.reason, '/dev/sg3: it was taken away')
  assert.deepEqual(kernel.openFiles(), [])
  assert.equal(kernel.expected, 0)
  const soon = TUR(1)
  unit.execute(soon)
  assert.equal(soon.outcome, 'lost')
  where = Promise.resolve('/dev/sg9')
  const back = TUR(99)
  await again(() => unit.execute(back), back)
  assert.deepEqual(kernel.openFiles(), ['/dev/sg9'])
  kernel.end({}, ...kernel.underWay().filter(({ cdb }) => cdb[4] === 99))
  assert.equal(back.outcome, 'done')
})

/** Until the unit is looked for again: a second after it was the last time. */
async function again(execute: () => void, request: Request): Promise<void> {
  for (;;) {
    execute()
    await settle()
    if (request.answers.length === 0) return
    request.answers.length = 0
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

test('the file is closed only when no call has it any more', async () => {
  const { kernel, unit } = await opened()
  const one = TUR(1)
  unit.execute(one)
  kernel.hangUp()
  assert.equal(one.outcome, '')
  await settle()
  assert.equal(one.outcome, 'lost')
  assert.deepEqual(kernel.openFiles(), [])
})

test('a reset comes behind what is on its way, and before what is given after it', async () => {
  const { kernel, unit } = await opened()
  const all = Array.from({ length: 18 }, (_, i) => TUR(i))
  for (const one of all) unit.execute(one)
  await settle()
  kernel.failures.reset.push('EAGAIN')
  unit.reset()
  // The kernel did not have these
  assert.deepEqual([all[16]!.outcome, all[17]!.outcome], ['ended', 'ended'])
  const after = TUR(40)
  unit.execute(after)
  while (kernel.resets.length === 0) await settle()
  assert.equal(kernel.given.length, 16)
  kernel.end({ host: 8 }, ...kernel.underWay())
  await settle()
  assert.ok(all.every(({ outcome }) => outcome === 'ended'))
  assert.equal(marks(kernel).at(-1), 40)
  kernel.end({}, ...kernel.underWay())
  assert.equal(after.outcome, 'done')
  assert.equal(kernel.files.size, 1)
})

test('what a reset unit does not give back ends all the same, and writes to no memory later', async () => {
  const { kernel, unit } = await opened()
  const room = Buffer.alloc(4)
  const stuck = new Request([0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0], room)
  unit.execute(stuck)
  await settle()
  const [old] = kernel.underWay()
  unit.reset()
  const after = TUR(7)
  unit.execute(after)
  while (stuck.answers.length === 0) await settle()
  assert.equal(stuck.outcome, 'ended')
  assert.equal(kernel.files.size, 2)
  assert.deepEqual(kernel.openFiles(), [PATH])
  kernel.end({ data: Buffer.from('late') }, old!)
  await settle()
  assert.equal(room.readUInt32BE(0), 0)
  assert.equal(stuck.answers.length, 1)
  kernel.end({}, ...kernel.underWay(kernel.given.at(-1)!.fd))
  assert.equal(after.outcome, 'done')
  assert.equal(kernel.expected, 0)
})

test('a reset that Linux refuses leaves the commands to their time limit', async () => {
  const { kernel, unit } = await opened()
  kernel.failures.reset.push('EACCES')
  const one = TUR(1)
  unit.execute(one)
  await settle()
  unit.reset()
  await settle()
  assert.equal(one.outcome, '')
  const next = TUR(2)
  unit.execute(next)
  await settle()
  kernel.end({}, ...kernel.underWay())
  assert.deepEqual([one.outcome, next.outcome], ['done', 'done'])
})

test('a unit that goes away during a reset is lost', async () => {
  const { kernel, unit } = await opened()
  kernel.failures.reset.push('ENODEV')
  const one = TUR(1)
  unit.execute(one)
  await settle()
  unit.reset()
  unit.close()
  await settle()
  assert.equal(one.outcome, 'lost')
  assert.deepEqual(kernel.openFiles(), [])
})

test('a command that the kernel does not end in its time is lost, with the file', async () => {
  const { kernel, unit } = await opened()
  const one = TUR(1)
  one.timeout = 1
  const other = TUR(2)
  unit.execute(one)
  unit.execute(other)
  while (one.answers.length === 0) await new Promise(resolve => setTimeout(resolve, 20))
  assert.deepEqual([one.outcome, other.outcome], ['lost', 'lost'])
  assert.deepEqual(kernel.openFiles(), [])
  unit.close()
})

test('a command that waits too long behind others is ended, and those behind it go on', async () => {
  const { kernel, unit } = await opened()
  const all = Array.from({ length: 18 }, (_, i) => TUR(i))
  all[16]!.timeout = 1
  for (const one of all) unit.execute(one)
  while (all[16]!.answers.length === 0) await new Promise(resolve => setTimeout(resolve, 20))
  assert.equal(all[16]!.outcome, 'ended')
  kernel.end({}, ...kernel.underWay())
  await settle()
  assert.equal(marks(kernel).at(-1), 17)
  unit.close()
})

test('a command that the kernel does not have yet can be aborted, one that it has cannot', async () => {
  const { kernel, unit } = await opened()
  const all = Array.from({ length: 18 }, (_, i) => TUR(i))
  for (const one of all) unit.execute(one)
  await settle()
  assert.equal(all[0]!.cancel, null)
  all[16]!.cancel!()
  assert.equal(all[16]!.outcome, 'ended')
  kernel.end({}, ...kernel.underWay())
  await settle()
  assert.equal(marks(kernel).at(-1), 17)
  assert.equal(all[17]!.cancel, null)
  unit.close()
})

test('an adapter that takes one command at a time is given one at a time', async () => {
  const { kernel, unit } = await opened(undefined, 1)
  for (let i = 0; i < 3; i++) unit.execute(TUR(i))
  for (let i = 0; i < 3; i++) {
    await settle()
    assert.deepEqual(
      kernel.underWay().map(({ cdb }) => cdb[4]),
      [i],
    )
    kernel.end({}, ...kernel.underWay())
  }
  unit.close()
})
