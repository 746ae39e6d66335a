// SPDX-License-Identifier: Apache-2.0
// Example: storage of one's own that is thin and can grow; docs/cookbook/own-storage.md shows it.
import { connect } from 'lunkit/initiator'
import { createTarget, disk, type ObjectStorage } from 'lunkit/target'

const BLOCK = 4096
const blocks = new Map<number, Buffer>() // what is not in it reads as zeros
let size = 1024 ** 3

const storage: ObjectStorage = {
  get size() {
    return size
  },
  discardGranularity: BLOCK,
  discardedReadsZero: true,
  read(offset, buffer) {
    for (let at = 0; at < buffer.length; at += BLOCK) blocks.get(offset + at)?.copy(buffer, at)
  },
  write(offset, buffer) {
    for (let at = 0; at < buffer.length; at += BLOCK) blocks.set(offset + at, buffer.subarray(at, at + BLOCK))
  },
  discard(offset, length) {
    for (let at = 0; at < length; at += BLOCK) blocks.delete(offset + at)
  },
  map: offset => ({ held: blocks.has(offset), length: BLOCK }),
  usage: () => ({ used: blocks.size * BLOCK, available: size - blocks.size * BLOCK }),
  resize(bytes) {
    size = bytes
  },
}

// A disk of the same block asks for whole ones only.
await using target = await createTarget({ luns: [disk(storage, { block: BLOCK })] })
await using unit = await connect(target.url)
await unit.write(0, Buffer.alloc(8 * BLOCK, 1))
await unit.discard(0, 6)
console.log(blocks.size) // 2
await target.luns[0]!.resize('2G')
await unit.testReady() // brings word that the capacity has changed
console.log((await unit.capacity()).bytes) // 2147483648
