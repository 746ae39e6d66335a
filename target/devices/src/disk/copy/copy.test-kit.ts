// SPDX-License-Identifier: Apache-2.0
// Disks on one engine and an initiator that sees them, for the tests of copies between them.
import { READ_16, readSense } from '@lunkit/spec'
import { openLocal } from '@lunkit/target-driver-local'
import { TargetEngine } from '@lunkit/target-engine'
import { cdbOf } from '../../../../../testing/kit/device-bench.ts'
import { StandInStore } from '../../../../../testing/kit/stand-in-store.ts'
import { device as absent } from '../../absent/index.ts'
import { device as disk } from '../index.ts'

export const MIB = 1024 * 1024
export const naa = (lun: number): Uint8Array => Uint8Array.of(0x30, 0, 0, 0, 0, 0, 0, lun)

export async function copyBench(blocks: readonly number[] = [512, 512]) {
  const engine = new TargetEngine({ observe: () => {}, absent: await absent.open(null, {}) })
  const target = engine.addTarget({ name: 'target' })
  const stores: StandInStore[] = []
  for (const [lun, block] of blocks.entries()) {
    const store = new StandInStore({ size: 4 * MIB })
    store.bytes.fill(0)
    stores.push(store)
    const identity = { vendor: 'L', product: 'P', revision: '1', serial: `${lun}`, naa: naa(lun) }
    target.map(lun, engine.addUnit(await disk.open(store, { block, physical: 4096 }), identity))
  }
  const nexus = openLocal(engine, 'target', 'initiator')
  const send = async (cdb: Uint8Array, dataOut: Uint8Array = new Uint8Array(0), expectedIn = 0, lun = 0) => {
    const answer = await nexus.execute({ lun, cdb, dataOut, expectedIn })
    return { ...answer, report: readSense(answer.sense) }
  }
  const read = (lba: number, count: number, lun: number, block = 512) =>
    send(cdbOf(READ_16, { lba, blocks: count }), new Uint8Array(0), count * block, lun)
  // The first commands hear of the power on.
  for (const lun of blocks.keys()) await read(0, 0, lun)
  return { engine, target, nexus, stores, send, read }
}
