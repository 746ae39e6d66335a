// SPDX-License-Identifier: Apache-2.0
// What an operator can tell an overlay: reset, commit, snapshot.
import { type ControlAnswer, type Controls, OperatorError } from '@lunkit/target-api'
import { Commit } from './commit.ts'
import { FileChanges } from './file-changes.ts'
import type { OverlayStore } from './overlay-store.ts'
import type { View } from './view.ts'
import type { PortViews, SharedView } from './views.ts'

/** Makes the changes on top of those that are frozen; the word is a path, where they are in a file. */
export type MakeTop = (word: string | undefined, view: View) => Promise<View['layers'][number]>

/** Snapshots that one overlay may have on top of each other: each is asked for each grain. */
const MOST_LAYERS = 32

export function portControls(store: OverlayStore, views: PortViews): Controls {
  return {
    reset: {
      usage: '',
      changes: 'medium',
      run: (words, changed) => {
        none('reset', words)
        const ports = views.count
        return store.gate.alone(async () => {
          await views.clear()
          changed()
          return { initiators: ports }
        }, store.again)
      },
    },
  }
}

export function sharedControls(store: OverlayStore, views: SharedView, makeTop: MakeTop): Controls {
  const inFile = views.top instanceof FileChanges
  return {
    reset: {
      usage: '',
      changes: 'medium',
      run: async (words, changed) => {
        none('reset', words)
        const discardedBytes = (await views.top.usage())?.used ?? 0
        return store.gate.alone(async () => {
          await views.top.clear()
          changed()
          return { discardedBytes }
        }, store.again)
      },
    },
    commit: {
      usage: '',
      changes: 'nothing',
      run: words => {
        none('commit', words)
        return commit(store, views)
      },
    },
    snapshot: {
      usage: inFile ? 'PATH' : '',
      changes: 'nothing',
      run: async ([path, ...rest]) => {
        if (rest.length > 0 || (path === undefined) === inFile) {
          throw new OperatorError('CONTROL', "That is no way to say 'snapshot'", {
            hint: inFile ? 'snapshot PATH, the file for changes from now on' : 'snapshot, without a word',
          })
        }
        return snapshot(store, views, path, makeTop)
      },
    },
  }
}

function none(name: string, words: readonly string[]): void {
  if (words.length === 0) return
  throw new OperatorError('CONTROL', `'${name}' takes no words`)
}

async function commit(store: OverlayStore, views: SharedView): Promise<ControlAnswer> {
  if (!store.below.canWrite) {
    throw new OperatorError('BASE_READONLY', 'Overlay: the store below cannot be written', {
      hint: 'serve it without readonly, or copy the disk elsewhere',
    })
  }
  await fitBelow(store, views)
  const one = new Commit(views.view, store.lock)
  store.onChanged = (first, end) => one.changed(first, end)
  try {
    // Most of it while requests go on; what they have changed meanwhile, alone.
    await one.pass()
    return await store.gate.alone(async () => {
      await one.pass()
      await one.flush()
      const [top, ...frozen] = views.view.layers
      // First, so that no older change lies between the store below and what is left on top of it.
      if (top instanceof FileChanges && frozen.length > 0) await top.leaveParent()
      await top!.clear()
      views.view = { ...views.view, layers: [top!] }
      for (const layer of frozen) await layer.close()
      return { committedBytes: one.bytes }
    }, store.again)
  } finally {
    store.onChanged = null
  }
}

/** An overlay that has grown needs the room below. */
async function fitBelow({ below }: OverlayStore, views: SharedView): Promise<void> {
  const { size } = views.view
  if (size <= below.size) return
  // What the overlay has not changed there has to be zeros below, too.
  if (below.resize === undefined || below.grownReadsAnything === true) {
    throw new OperatorError('BASE_SIZE', `Overlay: the store below has ${below.size} bytes, not ${size}`, {
      hint: 'make it longer by other means, and serve it again',
    })
  }
  await below.resize(size)
  if (views.top instanceof FileChanges) await views.top.baseResized(size)
  views.view = { ...views.view, limit: size }
}

async function snapshot(
  store: OverlayStore,
  views: SharedView,
  path: string | undefined,
  makeTop: MakeTop,
): Promise<ControlAnswer> {
  const { layers } = views.view
  if (layers.length === MOST_LAYERS) {
    throw new OperatorError('SNAPSHOTS', `Overlay: there are ${MOST_LAYERS - 1} snapshots already`, {
      hint: 'commit them, or reset to the last one',
    })
  }
  const before = views.top
  const top = await makeTop(path, views.view)
  try {
    return await store.gate.alone(async () => {
      if (before instanceof FileChanges) await before.freeze()
      views.view = { ...views.view, layers: [top, ...layers] }
      return { snapshots: layers.length }
    }, store.again)
  } catch (error) {
    await top.close()
    throw error
  }
}
