// SPDX-License-Identifier: Apache-2.0
// What an operator can have a qcow2 image do while it is used: snapshots inside it.
import { type Control, type Controls, OperatorError } from '@lunkit/target-api'
import type { OpenedImage } from './image.ts'
import { deleteSnapshot, makeSnapshot, revertTo } from './snapshots.ts'

/** Runs it while no request is under way. */
type Alone = <T>(act: () => Promise<T>) => Promise<T>

export function controlsOf(image: OpenedImage, alone: Alone): Controls {
  const list: Control = {
    usage: '',
    changes: 'nothing',
    run: async words => {
      if (words.length > 0) throw new OperatorError('CONTROL', "'snapshots' takes no words")
      return Object.fromEntries(image.tables.snapshots.map(({ name, size }) => [name, size]))
    },
  }
  if (!image.canWrite) return { snapshots: list }
  const named = (
    control: string,
    changes: Control['changes'],
    act: (image: OpenedImage, name: string) => Promise<void>,
  ): Control => ({
    usage: 'NAME',
    changes,
    run: async ([name, ...rest], changed) => {
      if (name === undefined || rest.length > 0)
        throw new OperatorError('CONTROL', `That is no way to say '${control}'`, { hint: `${control} NAME` })
      return alone(async () => {
        await act(image, name)
        if (changes === 'medium') changed()
        return { snapshots: image.tables.snapshots.length }
      })
    },
  })
  return {
    snapshots: list,
    snapshot: named('snapshot', 'nothing', makeSnapshot),
    delete: named('delete', 'nothing', deleteSnapshot),
    revert: named('revert', 'medium', revertTo),
  }
}
