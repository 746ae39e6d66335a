// SPDX-License-Identifier: Apache-2.0
// Takes the plain kernel out of a compressed x86 kernel image, so that QEMU starts it without unpacking it slowly.
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { run } from './process.ts'

/**
 * The ELF kernel inside a bzImage. Where it lies is in the boot sector: Documentation/arch/x86/boot.rst of Linux,
 * setup_sects, payload_offset and payload_length (protocol 2.08).
 */
export function unpackKernel(image: Buffer): Buffer {
  const start = (image.readUInt8(0x1f1) + 1) * 512 + image.readUInt32LE(0x248)
  const length = image.readUInt32LE(0x24c) - 4
  const payload = image.subarray(start, start + length)
  const bytes = decompress(payload)
  const expected = image.readUInt32LE(start + length)
  if (bytes.length !== expected) throw new Error(`Kernel unpacked to ${bytes.length} bytes, not ${expected}`)
  return bytes
}

function decompress(payload: Buffer): Buffer {
  const magic = payload.toString('hex', 0, 4)
  if (magic === 'fd377a58') return run('xz', ['-dc', '--single-stream'], { input: payload })
  if (magic === '28b52ffd') return zstdDecompressSync(payload)
  if (magic.startsWith('1f8b')) return gunzipSync(payload)
  throw new Error(`Kernel image is packed in a way not known here: it begins with ${magic}`)
}
