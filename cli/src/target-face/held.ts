// SPDX-License-Identifier: Apache-2.0
// Storage without a lock of its own is held by name while it is served, as files are by device and inode.
import { createHash } from 'node:crypto'
import { type Hold, OperatorError, type ParameterValues } from '@lunkit/target-api'

interface Kind {
  hold?(values: ParameterValues): Promise<Hold>
}

/** Opens what the kind's `hold` names, if it has one; its `close` lets go of it. Rejects with OperatorError STORAGE_IN_USE, and what `open` rejects with. */
export async function openHeld<T extends { close(): Promise<void> }>(
  label: string,
  kind: Kind,
  values: ParameterValues,
  open: () => Promise<T>,
): Promise<T> {
  const hold = await kind.hold?.(values)
  // Other systems have no names that the kernel frees.
  if (hold === undefined || process.platform !== 'linux') return open()
  const { lockName, ownerInWords } = await import('@lunkit/target-stores/named-lock')
  const name = `lunkit-held-${createHash('sha256').update(hold.name).digest('hex')}`
  const free = await lockName(name, hold.shared, owner => inUse(label, ownerInWords(owner)))
  try {
    const opened = await open()
    const it: { close(): Promise<void> } = opened
    const close = it.close.bind(it)
    it.close = () => close().finally(free)
    return opened
  } catch (error) {
    await free()
    throw error
  }
}

const inUse = (label: string, who: string): OperatorError =>
  new OperatorError('STORAGE_IN_USE', `'${label}' is in use by ${who}`, {
    hint: 'stop the other one, or open it with readonly=yes in all places; groups of initiators can see one LUN under several numbers',
  })
