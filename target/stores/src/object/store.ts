// SPDX-License-Identifier: Apache-2.0
// The object store: storage written as a plain object, given in code or as a module's default export.
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type BackingStore, fileTrouble, OperatorError, type StoreType } from '@lunkit/target-api'
import { fromObject, type ObjectStorage } from './from-object.ts'
import { checkBackingStore, isBackingStore } from './own-store.ts'

export { type CallOptions, fromObject, type ObjectOptions, type ObjectStorage } from './from-object.ts'

/** The store of a program: its object, or the store that it has made itself. Throws OperatorError. */
export const fromGiven = (given: ObjectStorage | BackingStore): BackingStore =>
  typeof given === 'object' && given !== null && isBackingStore(given)
    ? checkBackingStore(given)
    : fromObject(given)

export const store: StoreType = {
  apiVersion: 1,
  name: 'object',
  parameters: {
    module: {
      type: 'path',
      help: 'JavaScript module whose default export is the object or store, or a function that resolves to it',
      required: true,
      argument: true,
    },
  },
  open: async values => fromGiven(await load(String(values['module']))),
}

async function load(path: string): Promise<ObjectStorage | BackingStore> {
  const found = await stat(path).catch((error: unknown) => {
    throw new OperatorError('OBJECT_MODULE', `Module '${path}' cannot be loaded: ${fileTrouble(error)}`, {
      hint: 'name a JavaScript file, as in object:./storage.mjs',
    })
  })
  const failed = (why: string, cause?: unknown): OperatorError =>
    new OperatorError('OBJECT_MODULE', `Module '${path}' gives no storage object: ${why}`, {
      hint: 'its default export is the object, or an async function that makes it',
      cause,
    })
  if (!found.isFile()) throw failed('it is no file')
  try {
    const { default: given } = (await import(pathToFileURL(resolve(path)).href)) as { default?: unknown }
    if (given === undefined) throw failed('it has no default export')
    return (await (typeof given === 'function' ? given() : given)) as ObjectStorage | BackingStore
  } catch (error) {
    if (error instanceof OperatorError) throw error
    throw failed(fileTrouble(error), error)
  }
}
