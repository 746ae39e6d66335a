// SPDX-License-Identifier: Apache-2.0
// Gives an image's disk another size while no request is under way.
import { OperatorError } from '@lunkit/target-api'
import type { OpenedImage } from './image.ts'
import { At, MOST_L1_BYTES, write64 } from './layout.ts'
import { Fault } from './parts.ts'
import type { GuestZeros } from './zeroing.ts'

interface Parts {
  readonly image: OpenedImage
  readonly zeros: GuestZeros
}

/** Rejects with OperatorError QCOW2_SIZE; the size is as it was then. */
export async function resizeImage({ image, zeros }: Parts, size: number): Promise<void> {
  const failed = (reason: string, hint: string, cause?: unknown): OperatorError =>
    new OperatorError('QCOW2_SIZE', `Image '${image.path}' cannot have a disk of ${size} bytes: ${reason}`, {
      hint,
      cause,
    })
  const { l2Span, version } = image.geometry
  if (!Number.isSafeInteger(size) || size < 512 || size % 512 !== 0)
    throw failed('that is no size', 'give a multiple of 512')
  if (Math.ceil(size / l2Span) * 8 > MOST_L1_BYTES)
    throw failed(
      'its L1 table would be too long',
      'copy it to an image of larger clusters with qemu-img convert',
    )
  const old = image.size
  if (version === 2 && image.backing !== null && Math.max(image.backing.size, old) > Math.min(old, size))
    throw failed(
      'version 2 cannot hide what is behind it',
      `convert it: qemu-img amend -o compat=1.1 '${image.path}'`,
    )
  try {
    // What is cut off is given back, and zero should it come back.
    if (size < old) await zeros.zero(size, old - size, () => false)
    await image.settle()
    if (size > old) {
      await clear(image, zeros, old, size)
      await lengthenL1(image, Math.ceil(size / l2Span))
    }
    const bytes = Buffer.alloc(8)
    write64(bytes, 0, size)
    await image.writeHeader(At.size, bytes)
    image.size = size
    await image.settle()
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    throw failed(error.message, '', error)
  }
}

/** Nothing that lies behind the old end, in its last cluster or in the backing file, shows up. */
async function clear(image: OpenedImage, zeros: GuestZeros, old: number, size: number): Promise<void> {
  const { clusterSize, l2Span } = image.geometry
  await lengthenL1(image, Math.ceil(size / l2Span))
  const clusterEnd = Math.ceil(old / clusterSize) * clusterSize
  const backed = image.backing === null ? 0 : image.backing.size
  const end = Math.min(Math.max(clusterEnd, backed), size)
  if (end <= old) return
  image.size = size
  try {
    await zeros.zero(old, end - old, () => false)
    await image.settle()
  } finally {
    image.size = old
  }
}

async function lengthenL1(image: OpenedImage, entries: number): Promise<void> {
  const { mapping, refcounts, geometry, file, metadata, freed } = image
  if (entries <= mapping.l1Entries) return
  const { clusterSize } = geometry
  const bytes = Buffer.alloc(entries * 8)
  const clusters = Math.ceil(bytes.length / clusterSize)
  const offset = await refcounts.allocateWhole(clusters)
  await image.settle()
  mapping.l1.copy(bytes)
  // A cluster's rest may have been used before.
  await file.write(offset, [bytes, Buffer.alloc(clusters * clusterSize - bytes.length)])
  await file.flush()
  const fields = Buffer.alloc(12)
  fields.writeUInt32BE(entries, 0)
  write64(fields, 4, offset)
  await image.writeHeader(At.l1Entries, fields)
  const [oldOffset, oldClusters] = [mapping.l1Offset, Math.ceil((mapping.l1Entries * 8) / clusterSize)]
  metadata.addRun(offset, clusters * clusterSize, clusterSize)
  mapping.replaceL1({ offset, bytes, bad: mapping.bad })
  freed.drop(oldOffset, oldClusters * clusterSize)
}
