// SPDX-License-Identifier: Apache-2.0
// Looks, before an image is written, whether its counts can be trusted: repairs what the dirty bit allows, refuses the rest.
import { OperatorError } from '@lunkit/target-api'
import { corrupt } from './header.ts'
import type { OpenedImage } from './image.ts'
import { DIRTY } from './layout.ts'
import { othersTurn } from './parts.ts'
import { compareCounts, countReferences, MOST_CLUSTERS } from './references.ts'
import { rewriteTables } from './rewrite.ts'

/**
 * Clusters with too low a count would be given to somebody else, and their bytes lost. Rejects with OperatorError QCOW2_DIRTY or
 * QCOW2_CORRUPT, or with Fault. Resolves to what was not looked at, in a sentence for the operator, or to an empty text.
 */
export async function checkImage(image: OpenedImage): Promise<string> {
  const { path, header, geometry, file, refcounts, tables } = image
  const isDirty = (header.incompatible & DIRTY) !== 0
  const repair = `repair it with qemu-img check -r all '${path}', or open it with readonly=yes`
  if (file.size / geometry.clusterSize > MOST_CLUSTERS) {
    if (!isDirty) {
      const clusters = Math.ceil(file.size / geometry.clusterSize)
      return `its ${clusters} clusters are too many to hold their counts against its tables: qemu-img check '${path}' does that`
    }
    throw new OperatorError(
      'QCOW2_DIRTY',
      `Image '${path}' was not closed, and is too large to be repaired here`,
      {
        hint: repair,
      },
    )
  }
  const { counts, bad } = await countReferences(image)
  if (isDirty) {
    if (bad > 0) throw corrupt(path, `it was not closed, and ${bad} of its entries lead nowhere`)
    const l1 = Buffer.from(tables.l1.bytes)
    const { snapshotTable, snapshots } = tables
    const snapshotCount = snapshots.length
    await rewriteTables(image, { counts, l1, snapshotTable, snapshotCount, size: image.size, dropsL1: true })
    return ''
  }
  const { wrong, leaked } = await compareCounts(image, counts)
  if (wrong > 0) {
    throw new OperatorError(
      'QCOW2_CORRUPT',
      `Image '${path}' is damaged: ${wrong} of its clusters have too low a count`,
      {
        hint: repair,
      },
    )
  }
  // A kill leaves them; other things of the image might be in them only where it has what is not known here.
  if (!header.known || bad > 0) return ''
  for (const [i, cluster] of leaked.entries()) {
    if (i % 1024 === 0) await othersTurn()
    await refcounts.set(cluster, 0)
  }
  if (leaked.length > 0) await image.settle()
  return ''
}
