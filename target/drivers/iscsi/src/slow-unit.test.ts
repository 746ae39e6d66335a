// SPDX-License-Identifier: Apache-2.0
// A unit whose storage does not answer leaves the other units of the same session alone.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Opcode, SCSI_RESPONSE, Status, SYNCHRONIZE_CACHE_10, TEST_UNIT_READY } from '@lunkit/spec'
import { device as disk } from '@lunkit/target-devices/disk'
import {
  BLOCK,
  type IscsiBench,
  read10,
  testUnitReady,
  withBench,
  write10,
} from '@lunkit/testing/kit/iscsi-bench.ts'
import { fieldsOf, type RawPeer } from '@lunkit/testing/kit/raw-peer.ts'
import { StandInStore } from '@lunkit/testing/kit/stand-in-store.ts'

const VALUES = { block: BLOCK, physical: BLOCK, wce: true, readonly: false, removable: false, rotation: 1 }
const SECOND = Buffer.of(0, 1, 0, 0, 0, 0, 0, 0)
const flush = (): Uint8Array =>
  SYNCHRONIZE_CACHE_10.cdb.write({ opcode: SYNCHRONIZE_CACHE_10.opcode } as never)

/** LUN 1 beside the bench's LUN 0, its unit attentions taken. */
async function secondUnit(bench: IscsiBench, peer: RawPeer): Promise<void> {
  const identity = { vendor: 'LUNKIT', product: 'SECOND', revision: '1', serial: '2' }
  const naa = Uint8Array.of(0x30, 0, 0, 0, 0, 0, 0, 3)
  const device = await disk.open(new StandInStore({ size: 1 << 20, later: true }), VALUES)
  bench.target.map(1, bench.engine.addUnit(device, { ...identity, naa }))
  await ready(peer, SECOND)
  await ready(peer, Buffer.alloc(8))
}

async function ready(peer: RawPeer, lun: Buffer): Promise<void> {
  let status: number
  do {
    peer.command(TEST_UNIT_READY.cdb.write({ opcode: TEST_UNIT_READY.opcode } as never), { lun })
    status = fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).status
  } while (status !== Status.good)
}

/** Keeps `depth` commands of LUN 1 under way until `count` have ended well: reads, writes and flushes in turn. */
async function useSecond(peer: RawPeer, depth: number, count: number): Promise<void> {
  let sent = 0
  const send = (): void => {
    const turn = sent++ % 3
    const lba = sent % 64
    if (turn === 0)
      peer.command(read10(lba, 8), { lun: SECOND, read: 1, expectedDataTransferLength: 8 * BLOCK } as never)
    else if (turn === 1)
      peer.command(
        write10(lba, 8),
        { lun: SECOND, write: 1, expectedDataTransferLength: 8 * BLOCK } as never,
        Buffer.alloc(8 * BLOCK, 1),
      )
    else peer.command(flush(), { lun: SECOND } as never)
  }
  while (sent < depth) send()
  for (let ended = 0; ended < count; ended++) {
    const pdu = await peer.receive()
    if (pdu.opcode === Opcode.scsiResponse) assert.equal(fieldsOf(SCSI_RESPONSE, pdu).status, Status.good)
    else assert.equal(pdu.opcode, Opcode.dataIn)
    if (sent < count) send()
  }
}

/** What the first unit is asked for, and never answers. */
const STUCK: Readonly<Record<string, (peer: RawPeer) => void>> = {
  reads: peer =>
    void peer.command(read10(0, 128), { read: 1, expectedDataTransferLength: 128 * BLOCK } as never),
  'reads of more than its memory': peer =>
    void peer.command(read10(0, 4096), { read: 1, expectedDataTransferLength: 4096 * BLOCK } as never),
  writes: peer =>
    void peer.command(
      write10(0, 8),
      { write: 1, expectedDataTransferLength: 8 * BLOCK } as never,
      Buffer.alloc(8 * BLOCK, 2),
    ),
  flushes: peer => void peer.command(flush()),
}

for (const [what, command] of Object.entries(STUCK)) {
  test(`another unit of the session is used while one holds most of the window: ${what}`, () =>
    withBench({}, async bench => {
      const peer = await bench.peer()
      await secondUnit(bench, peer)
      bench.store.held = true
      // As many as one unit may have, and more: each adds as much to the window.
      for (let i = 0; i < 200; i++) command(peer)
      await useSecond(peer, 8, 300)
      assert.equal(bench.store.held, true)
      await peer.close()
    }))
}

test('a unit whose flush hangs leaves the window and the memory to the others', () =>
  withBench({}, async bench => {
    const peer = await bench.peer()
    await secondUnit(bench, peer)
    bench.store.held = true
    peer.command(flush())
    await useSecond(peer, 100, 600)
    bench.store.release()
    assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).status, Status.good)
    peer.command(testUnitReady())
    assert.equal(fieldsOf(SCSI_RESPONSE, await peer.receive(Opcode.scsiResponse)).status, Status.good)
  }))
