// SPDX-License-Identifier: Apache-2.0
// Example: an object with size and read becomes a disk; docs/cookbook/own-storage.md shows it.
import { createTarget, type ObjectStorage } from 'lunkit/target'

const bytes = Buffer.alloc(16 * 1024 * 1024)
const storage: ObjectStorage = {
  size: bytes.length,
  async read(offset, buffer) {
    bytes.copy(buffer, 0, offset, offset + buffer.length)
    return buffer.length
  },
  async write(offset, buffer) {
    buffer.copy(bytes, offset)
  },
}

await using target = await createTarget({ luns: [storage] })
console.log(target.url)
