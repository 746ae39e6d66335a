// SPDX-License-Identifier: Apache-2.0
// No target captures into what another one serves. Locks keep files apart only once both are open, and a capture empties what it opens.
import type { BigIntStats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { OperatorError } from '@lunkit/target-api'
import { type LunSpec, parseLun } from '../target-face/lun-spec.ts'
import type { Plan } from './plan.ts'

const keyOf = ({ dev, ino }: BigIntStats): string => `${dev}-${ino}`

/** The file by what no link changes; null for what is no file, or not there yet. */
async function fileAt(path: string): Promise<string | null> {
  const found = await stat(path, { bigint: true }).catch(() => null)
  return found?.isFile() ? keyOf(found) : null
}

/** Values of all keys: each may name a file, be it an image, what is behind it, or an overlay. */
function valuesOf(lun: string | LunSpec): readonly string[] {
  return Object.values((typeof lun === 'string' ? parseLun(lun) : lun).keys)
}

/** Rejects with OperatorError CAPTURE_FILE. Files that a pattern names are looked at when they are opened. */
export async function refuseCaptures({ processes }: Plan): Promise<void> {
  const plans = processes.flat()
  const captures = plans.flatMap(({ flags: { capture } }) => (capture === undefined ? [] : [capture]))
  const byFile = new Map<string, string>()
  for (const path of captures) {
    const file = await fileAt(path)
    if (file !== null) byFile.set(file, path)
  }
  if (byFile.size === 0) return
  for (const value of plans.flatMap(({ luns }) => luns.flatMap(valuesOf))) {
    const capture = byFile.get((await fileAt(value)) ?? '')
    if (capture === undefined) continue
    throw new OperatorError('CAPTURE_FILE', `Capture ${capture} is the storage of a LUN`, {
      hint: 'name a new file',
    })
  }
}
