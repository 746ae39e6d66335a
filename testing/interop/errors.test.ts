// SPDX-License-Identifier: Apache-2.0
// Rehearsed faults end to end over iSCSI, as lunkit's initiator and libiscsi's users see them.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { READ_10, readSense, Status, SYNCHRONIZE_CACHE_10, WRITE_10 } from '@lunkit/spec'
import { connect } from 'lunkit/initiator'
import { createTarget, errors, memory } from 'lunkit/target'
import { cdbOf } from '../kit/device-bench.ts'
import { need } from '../peers.ts'

const execute = promisify(execFile)
type Disk = Awaited<ReturnType<typeof connect>>

async function attach(url: string): Promise<Disk> {
  const disk = await connect(url, { reconnect: { attempts: 0, delays: [] } })
  while ((await disk.execute(new Uint8Array(6))).status !== Status.good);
  return disk
}

/** Status, or sense with INFORMATION, that one command ends with; nothing is tried again. */
async function told(disk: Disk, command: 'read' | 'write' | 'flush', lba = 0, blocks = 1): Promise<string> {
  const row = { read: READ_10, write: WRITE_10, flush: SYNCHRONIZE_CACHE_10 }[command]
  const cdb = cdbOf(row, { lba, blocks })
  const data = command === 'write' ? { dataOut: Buffer.alloc(blocks * 512, 5) } : {}
  const { status, sense } = await disk.execute(cdb, {
    ...data,
    ...(command === 'read' && { expectedIn: blocks * 512 }),
  })
  if (status !== Status.checkCondition) return status === Status.busy ? 'busy' : `${status}`
  const { key, asc, ascq, information } = readSense(sense)!
  return `${key}/${asc.toString(16)}/${ascq.toString(16)} ${information ?? ''}`.trim()
}

test('each outcome is told to the initiator as the standards have it', async () => {
  await using target = await createTarget({ luns: [errors(memory('4M'))] })
  const [lun] = target.luns
  await using disk = await attach(target.url)
  for (const [rule, command, lba, blocks, answer] of [
    ['medium:lba=100-199', 'read', 90, 20, '3/11/0 100'],
    ['medium:lba=100-199', 'write', 150, 1, '3/c/0 150'],
    ['medium:lba=100-199', 'read', 200, 50, '0'],
    ['hardware', 'read', 0, 1, '4/44/0'],
    ['notready:read', 'read', 0, 1, '2/4/0'],
    ['nospace:write', 'write', 0, 1, '7/27/7'],
    ['readonly:write', 'write', 0, 1, '7/27/0'],
    ['busy', 'write', 0, 1, 'busy'],
    ['busy:flush', 'flush', 0, 0, 'busy'],
    ['sense=b/47/3', 'read', 0, 1, '11/47/3'],
    ['delay:ms=20', 'read', 0, 1, '0'],
  ] as const) {
    await lun!.control('errors', rule)
    assert.equal(await told(disk, command, lba, blocks), answer, rule)
  }
  await assert.rejects(lun!.control('errors', 'medium:sometimes'), { code: 'ERROR_RULE' })
  // The initiator sends again what was BUSY, and gives up what is lost.
  await lun!.control('errors', 'busy:read:count=3', 'medium:read:lba=7')
  assert.equal((await disk.read(0, 1)).length, 512)
  await assert.rejects(disk.read(0, 8), /UNRECOVERED READ ERROR/)
  assert.deepEqual(await lun!.control('errors'), { 'busy:read:count=3': 3, 'medium:read:lba=7': 1 })
})

test('a command that is never answered ends when it is aborted, and the target closes', async () => {
  const target = await createTarget({
    luns: [errors(memory('4M'), ['drop:write:lba=10', 'drop:read:lba=20'])],
  })
  const disk = await attach(target.url)
  const stop = new AbortController()
  const write = disk.write(10, Buffer.alloc(512), { signal: stop.signal })
  assert.equal((await disk.read(10, 1)).length, 512)
  stop.abort(new Error('enough'))
  await assert.rejects(write, /enough/)
  await target.luns[0]!.control('errors', 'drop:read:lba=20')
  await disk.write(10, Buffer.alloc(512))
  const read = disk.read(20, 1)
  const lost = assert.rejects(read)
  await new Promise(resolve => setImmediate(resolve))
  await target.close({ graceMs: 0 })
  await lost
  await disk.close().catch(() => undefined)
})

test('libiscsi shows the same to QEMU', async t => {
  if (!need(t, 'qemu-io') || !need(t, 'block-iscsi.so')) return
  const rules = ['medium:read:lba=2000-2999', 'sense=4/3e/1:write:lba=4000', 'busy:write:lba=0:count=2']
  await using target = await createTarget({ luns: [errors(memory('4M'), rules)] })
  const io = async (command: string): Promise<string> =>
    execute('qemu-io', ['-f', 'raw', '-c', command, target.url], { timeout: 20_000 }).then(
      ({ stdout, stderr }) => stdout + stderr,
      error => String(error.stdout) + String(error.stderr),
    )
  assert.match(await io(`read ${2500 * 512} 4k`), /\(3\).*0x1100/)
  assert.match(await io(`write ${4000 * 512} 4k`), /\(4\).*0x3e01/)
  assert.match(await io('write 0 4k'), /wrote 4096/)
  assert.equal((await target.luns[0]!.control('errors'))['busy:write:lba=0:count=2'], 2)
})
