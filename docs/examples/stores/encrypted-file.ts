// SPDX-License-Identifier: Apache-2.0
// Example: a file whose blocks are encrypted with AES-256-XTS, each with its number as tweak. Serve it with block: 4096.
import { type Cipheriv, createCipheriv, createDecipheriv, type Decipheriv } from 'node:crypto'
import { open } from 'node:fs/promises'
import type { ObjectStorage } from 'lunkit/target'

const BLOCK = 4096
type Make = (algorithm: string, key: Buffer, tweak: Buffer) => Cipheriv | Decipheriv

/** `key` has 64 bytes: two AES keys. A block that was never written reads as noise. */
export async function encryptedFile(path: string, size: number, key: Buffer): Promise<ObjectStorage> {
  await (await open(path, 'a')).close()
  const file = await open(path, 'r+')
  if ((await file.stat()).size < size) await file.truncate(size)
  const each = (bytes: Buffer, offset: number, make: Make): Buffer => {
    const blocks: Buffer[] = []
    for (let at = 0; at < bytes.length; at += BLOCK) {
      const tweak = Buffer.alloc(16)
      tweak.writeBigUInt64LE(BigInt((offset + at) / BLOCK))
      const cipher = make('aes-256-xts', key, tweak)
      blocks.push(cipher.update(bytes.subarray(at, at + BLOCK)), cipher.final())
    }
    return Buffer.concat(blocks)
  }
  return {
    size,
    identity: `encrypted:${path}`,
    async read(offset, buffer) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, offset)
      if (bytesRead < buffer.length) return bytesRead
      return each(Buffer.from(buffer), offset, createDecipheriv).copy(buffer)
    },
    async write(offset, buffer) {
      const { bytesWritten } = await file.write(
        each(buffer, offset, createCipheriv),
        0,
        buffer.length,
        offset,
      )
      return bytesWritten
    },
    flush: () => file.datasync(),
    close: () => file.close(),
  }
}
