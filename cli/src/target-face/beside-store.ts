// SPDX-License-Identifier: Apache-2.0
// The second store of a unit that keeps something beside its blocks: a file next to the image, or memory.
import { stat } from 'node:fs/promises'
import { type BackingStore, type DeviceType, OperatorError, type ParameterValues } from '@lunkit/target-api'

interface Unit {
  readonly deviceType: DeviceType
  readonly store: BackingStore
  readonly deviceValues: ParameterValues
  /** Path of the image, or null where the blocks are not in a file. */
  readonly path: string | null
  readonly readonly: boolean
}

/** The store that the device wants, or null if it wants none. The caller closes it. Rejects with OperatorError. */
export async function openBeside(unit: Unit): Promise<BackingStore | null> {
  const { deviceType, store, deviceValues, path, readonly } = unit
  const bytes = deviceType.besideBytes?.(store, deviceValues) ?? 0
  const usual = path === null ? null : `${path}.pi`
  if (bytes === 0) {
    if (usual !== null && !readonly && (await lengthOf(usual)) > 0) throw unused(path!, usual)
    return null
  }
  const given = deviceValues['tags']
  const beside = given === undefined ? usual : String(given)
  if (beside === null) {
    const { MemoryStore } = await import('@lunkit/target-stores/memory')
    return new MemoryStore(bytes)
  }
  const { openFile } = await import('@lunkit/target-stores/file')
  const isNew = (await lengthOf(beside)) === 0
  return openFile({ path: beside, readonly, ...(isNew && { size: bytes }) }).catch((error: unknown) => {
    // The hints of a file are those for images.
    if (!(error instanceof OperatorError)) throw error
    const hint = 'name another file with tags=, in a directory that is there and may be written to'
    throw new OperatorError(error.code, error.message, { hint, cause: error })
  })
}

const lengthOf = async (path: string): Promise<number> =>
  stat(path).then(
    ({ size }) => size,
    () => 0,
  )

/** A file for tags that nobody keeps is a mistake; told before anything is made. */
export function checkTags({ tags, protection }: ParameterValues): void {
  if (tags === undefined || protection !== undefined) return
  throw new OperatorError('TAGS_UNUSED', `'tags=${tags}' is given, but no protection information is kept`, {
    hint: 'add protection=1, 2 or 3, or protection=0 for a disk that is formatted with it later',
  })
}

/** Written without them, the blocks would not fit their tags any more, and every reader would be told so later. */
const unused = (path: string, tags: string): OperatorError =>
  new OperatorError('TAGS_UNUSED', `'${path}' has protection information in '${tags}'`, {
    hint: 'give protection=1 to keep it, readonly=yes, or remove that file to give it up',
  })
