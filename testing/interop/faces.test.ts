// SPDX-License-Identifier: Apache-2.0
// The library faces: a target and an initiator in one program, made and closed many times, leaving nothing behind.
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { connect, ScsiError } from 'lunkit/initiator'
import {
  createTarget,
  disk,
  memory,
  type ObjectStorage,
  OperatorError,
  type TargetEvent,
} from 'lunkit/target'

const MIB = 1 << 20

test('a target, a disk, and both are gone at the end of their scope', async () => {
  let url: string
  {
    await using target = await createTarget({
      luns: [memory('4M'), memory('8M', { block: 4096, serial: 'S1' })],
    })
    url = target.url
    await using first = await connect(target.luns[0]!.url)
    await using second = await connect(target.luns[1]!.url)
    await first.write(8, Buffer.alloc(4096, 0xab))
    assert.deepEqual(await first.read(8, 8), Buffer.alloc(4096, 0xab))
    assert.equal((await second.capacity()).blockSize, 4096)
    await second.write(2047, Buffer.alloc(4096, 7))
    await second.flush()
    assert.deepEqual(await second.read(2047, 1), Buffer.alloc(4096, 7))
  }
  await assert.rejects(connect(url, { reconnect: { attempts: 0, delays: [] } }), {
    code: 'TRANSPORT_CONNECT_FAILED',
  })
})

test('two targets live side by side, and close() with a client attached ends', async () => {
  const [a, b] = await Promise.all([
    createTarget({ luns: [memory('1M')] }),
    createTarget({ luns: [memory('2M')] }),
  ])
  const onA = await connect(a.url, { reconnect: { attempts: 0, delays: [] } })
  await a.close()
  await a.close()
  await using onB = await connect(b.url)
  assert.equal((await onB.capacity()).bytes, 2 * MIB)
  await assert.rejects(onA.read(0, 1))
  await onA.close().catch(() => undefined)
  await onB.close()
  await b.close()
})

test('events are typed and come under their own name', async () => {
  await using target = await createTarget({ luns: [memory('1M')], initiators: ['iqn.2000-01.good:*'] })
  const all: TargetEvent[] = []
  const opened: string[] = []
  target.on('event', event => all.push(event))
  target.on('session-opened', ({ initiator }) => opened.push(initiator))
  await assert.rejects(connect(target.url, { initiatorName: 'iqn.2000-01.bad:x' }), {
    code: 'LOGIN_FORBIDDEN',
  })
  const good = await connect(target.url, { initiatorName: 'iqn.2000-01.good:x' })
  await good.close()
  assert.deepEqual(opened, ['iqn.2000-01.good:x'])
  assert.ok(all.some(({ type }) => type === 'login-failed'))
})

test('an AbortSignal closes the target, or keeps it from opening', async () => {
  const controller = new AbortController()
  const target = await createTarget({ luns: [memory('1M')], signal: controller.signal })
  controller.abort()
  await target.close()
  await assert.rejects(connect(target.url, { reconnect: { attempts: 0, delays: [] } }))
  await assert.rejects(createTarget({ luns: [memory('1M')], signal: controller.signal }), {
    name: 'AbortError',
  })
  const late = new AbortController()
  const opening = createTarget({ luns: [memory('1M')], signal: late.signal })
  late.abort()
  await assert.rejects(opening, { name: 'AbortError' })
})

test('a long-lived AbortSignal keeps nothing of closed targets, and a failed last flush is told', async () => {
  const controller = new AbortController()
  const { signal } = controller
  for (let i = 0; i < 3; i++) await (await createTarget({ luns: [memory('1M')], signal })).close()
  assert.equal(getEventListeners(signal, 'abort').length, 0)
  const storage: ObjectStorage = {
    size: MIB,
    read: () => undefined,
    write: () => undefined,
    flush: () => Promise.reject(Object.assign(new Error('lost'), { code: 'EIO' })),
  }
  const target = await createTarget({ luns: [storage], signal })
  const told = new Promise<TargetEvent>(resolve => target.on('warning', resolve))
  const unit = await connect(target.url)
  await unit.write(0, Buffer.alloc(512))
  await unit.close()
  controller.abort()
  assert.match(JSON.stringify(await told), /did not keep the last writes/)
  await assert.rejects(target.close(), { code: 'STORE_FLUSH' })
})

test("storage of one's own: errors are sense, a read that is too short is a medium error", async () => {
  const bytes = Buffer.alloc(MIB, 1)
  let flushed = 0
  const storage: ObjectStorage = {
    size: bytes.length,
    read(offset, buffer) {
      if (offset >= 512 * 100 && offset < 512 * 101)
        throw Object.assign(new Error('bad sector'), { code: 'EIO' })
      if (offset >= 512 * 200 && offset < 512 * 201) return 100
      return bytes.copy(buffer, 0, offset, offset + buffer.length)
    },
    async write(offset, buffer) {
      if (offset === 512 * 300) throw Object.assign(new Error('full'), { code: 'ENOSPC' })
      buffer.copy(bytes, offset)
    },
    async flush() {
      flushed++
    },
  }
  await using target = await createTarget({ luns: [storage, disk(storage, { block: 4096, readonly: true })] })
  await using unit = await connect(target.url)
  await unit.write(0, Buffer.alloc(1024, 9))
  await unit.flush()
  assert.equal(flushed, 1)
  assert.equal(bytes[1023], 9)
  const senseOf = (work: Promise<unknown>): Promise<number[]> =>
    work.then(
      () => [],
      error => {
        assert.ok(error instanceof ScsiError, String(error))
        return [error.senseKey, error.asc]
      },
    )
  assert.deepEqual(await senseOf(unit.read(100, 1)), [3, 0x11])
  assert.deepEqual(await senseOf(unit.read(200, 1)), [3, 0x11])
  assert.deepEqual(await senseOf(unit.write(300, Buffer.alloc(512))), [7, 0x27])
  await using readOnly = await connect(target.luns[1]!.url)
  assert.deepEqual(await senseOf(readOnly.write(0, Buffer.alloc(4096))), [7, 0x27])
})

test('what cannot be served is refused with a code, and nothing stays open', async () => {
  await assert.rejects(
    createTarget({ luns: [] }),
    (error: unknown) => error instanceof OperatorError && error.code === 'NO_LUNS',
  )
  await assert.rejects(createTarget({ luns: [memory('1M'), memory(513)] }), OperatorError)
  await assert.rejects(createTarget({ luns: [memory('1M')], portal: '0.0.0.0:0' }), { code: 'PORTAL_OPEN' })
  await assert.rejects(createTarget({ luns: [memory('1M')], name: 'nonsense' }), OperatorError)
  await assert.rejects(createTarget({ luns: [memory('1M', { serial: 'ä' })] }), OperatorError)
  const same = { user: 'u', secret: 'twelve bytes long' }
  await assert.rejects(createTarget({ luns: [memory('1M')], chap: { ...same, mutual: same } }), OperatorError)
})

test('200 cycles of create, connect and close leave descriptors, listeners and memory flat', async () => {
  const cycle = async (): Promise<void> => {
    const target = await createTarget({ luns: [memory('1M')] })
    const unit = await connect(target.url)
    await unit.write(0, Buffer.alloc(4096, 1))
    await unit.close()
    await target.close()
  }
  const descriptors = (): number => readdirSync('/proc/self/fd').length
  const listeners = (): number =>
    ['SIGTERM', 'SIGINT', 'exit', 'uncaughtException'].reduce(
      (sum, name) => sum + process.listenerCount(name),
      0,
    )
  for (let i = 0; i < 40; i++) await cycle()
  const before = { descriptors: descriptors(), listeners: listeners(), heap: await heap() }
  for (let i = 0; i < 200; i++) await cycle()
  assert.ok(
    descriptors() <= before.descriptors + 2,
    `${before.descriptors} descriptors became ${descriptors()}`,
  )
  assert.equal(listeners(), before.listeners)
  const grown = ((await heap()) - before.heap) / MIB
  assert.ok(grown < 2, `the heap grew by ${grown.toFixed(1)} MiB`)
})

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes in use after collections, buffers included: what is closed is let go over a few turns of the loop. */
async function heap(): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < 10; i++) {
    collect()
    await new Promise(resolve => setTimeout(resolve, 20))
    const { heapUsed, external } = process.memoryUsage()
    least = Math.min(least, heapUsed + external)
  }
  return least
}

test('what is no LUN is refused in words, and one object is one unit', async () => {
  const refusal = { name: 'OperatorError', code: 'LUN_ARGUMENT' }
  await assert.rejects(createTarget({ luns: [5 as never] }), refusal)
  const storage: ObjectStorage = { size: MIB, read() {}, write() {} }
  await using target = await createTarget({ luns: [storage] })
  await assert.rejects(target.addLun(true as never), refusal)
  await assert.rejects(target.addLun(storage), { code: 'OBJECT_TWICE' })
  assert.equal((await target.addLun(target.luns[0]!)).lun, 1)
  assert.equal((await target.addLun(disk(storage, { readonly: true }))).lun, 2)
  const reader: ObjectStorage = { size: MIB, read() {} }
  await target.addLun(reader)
  assert.equal((await target.addLun(disk(reader))).lun, 4)
})

test('the options of a disk are its keys', async () => {
  await using target = await createTarget({ luns: [memory('1M', { rotation: 7200, cdb: 16, wce: false })] })
  await using unit = await connect(target.url)
  // MEDIUM ROTATION RATE of the Block Device Characteristics page.
  assert.equal(Buffer.from(await unit.vpd(0xb1)).readUInt16BE(4), 7200)
})
