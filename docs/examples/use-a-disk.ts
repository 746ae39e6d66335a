// SPDX-License-Identifier: Apache-2.0
// Example: a program as initiator, with a CDB of its own; docs/cookbook/use-a-disk.md shows it.
import { connect, ScsiError } from 'lunkit/initiator'
import { createTarget, memory } from 'lunkit/target'

await using target = await createTarget({ luns: [memory('64M')] })
await using disk = await connect(target.url, { initiatorName: 'iqn.2026-11.org.example:program' })

const { blocks, blockSize } = await disk.capacity()
await disk.write(0, Buffer.from('hello'.padEnd(blockSize)))
await disk.flush()
console.log((await disk.read(0, 1)).toString('utf8', 0, 5))

await disk.read(blocks, 1).catch(error => console.log(error.message)) // beyond the end: refused without asking
try {
  await disk.vpd(0xd0)
} catch (error) {
  if (!(error instanceof ScsiError)) throw error
  console.log(error.message) // … INVALID FIELD IN CDB (5h 24h/00h)
}

// LOG SENSE of page 00h: any CDB goes, and its status and sense are the program's to look at.
const cdb = Uint8Array.of(0x4d, 0, 0x40, 0, 0, 0, 0, 0, 64, 0)
const { status, sense, dataIn } = await disk.execute(cdb, { expectedIn: 64 })
console.log(status, sense.length, [...dataIn.subarray(4)])
